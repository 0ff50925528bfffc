"""Tests wording: vague words, overlap, claims that evolved means good, stereotypes of groups."""

from __future__ import annotations

import re
from functools import cache


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_STOP = _words(
    """
    a an and any are as at be been being but by can do does for from has have if in into is it
    its not of on one or so that the their them then there they this to was were what when which
    who will with without you your
    """
)
_VALUE = r"(good|right|moral|morally|virtuous|justified|desirable|better|best|valuable|noble|fine)"
_ORIGIN = (
    r"(evolved|evolution|natural selection|selected for|adaptive|our ancestors|ancestral|"
    r"innate|in our genes|nature intended)"
)
_SO = r"(so(?!\s+that\b)|hence|thus|therefore|which is why)"
_HINTS = ("evol", "select", "adaptive", "ancest", "innate", "genes", "intended")
"""Parts of the origins above. Looked up first: that is many times faster."""
_GOOD_BECAUSE_EVOLVED = re.compile(
    rf"\b{_VALUE}\b[^.;!?]{{0,60}}\b(because|since|given that|due to|thanks to|as)\b"
    rf"[^.;!?]{{0,60}}\b{_ORIGIN}\b"
    rf"|\b{_ORIGIN}\b[^.!?]{{0,80}}\b{_SO}\b[^.!?]{{0,60}}\b{_VALUE}\b"
    rf"|\b{_ORIGIN}\b[^.;!?]{{0,40}}\b(makes|made|proves|shows|means)\b[^.;!?]{{0,40}}\b{_VALUE}\b",
    re.IGNORECASE,
)
_TRAIT = _words(
    """
    accurate act always answer answers appropriate assistant attentive aware balanced being best
    brave calm candid careful caring cautious compassionate considerate correct courageous
    curious empathetic ethical everyone fair faithful friendly generous gentle good harmless
    helpful honest humble integrity kind kindness loyal mindful model modest moral must never
    nice open others patient people person polite principled remain reply respectful response
    responses responsible responsibly safe sensible should sincere stay supportive thoughtful
    tolerant toward towards trustworthy truthful try user users very warm way well wise
    """
)
_MIN_WORDS = 6
_VAGUE = re.compile(
    r"\b(?:as (?:appropriate|needed|necessary|required|fits)|(?:where|when|if|whenever) "
    r"(?:appropriate|necessary|needed|suitable|applicable|possible)|"
    r"(?:do|does|doing|say|choose) (?:the right thing|what is (?:right|best|good))|"
    r"(?:use|uses|exercise) (?:good |sound |common |best )?(?:judge?ment|sense)|"
    r"in an? (?:appropriate|good|suitable|proper|responsible|sensible|balanced) (?:way|manner)|"
    r"(?:appropriately|properly|responsibly|sensibly|suitably)|be (?:mindful|aware|careful) of|"
    r"act in (?:the|their|everyone's) best interests?|and so on|etc)\b",
    re.IGNORECASE,
)


def content_words(text: str) -> set[str]:
    """Lower-case words that carry meaning; function words left out."""
    return {word for word in re.findall(r"[a-z']+", text.lower()) if word not in _STOP}


def jaccard(one: set[str], other: set[str]) -> float:
    """Shared words over all words, in [0, 1]; 0 for two empty sets."""
    union = one | other
    return len(one & other) / len(union) if union else 0.0


def trait_only(statement: str) -> str:
    """Why a statement names a trait rather than a behaviour, or "" where it does not.

    Rules phrased as traits are the ones models follow worst (C3AI compares
    phrasings). A heuristic: too short, or made of trait words alone; it does not
    understand the sentence.
    """
    words = re.findall(r"[a-z']+", statement.lower())
    if len(words) < _MIN_WORDS:
        return f"only {len(words)} words: {statement!r}"
    rest = content_words(statement) - _TRAIT
    if len(rest) < 2:
        return f"trait words only: {statement!r}"
    return ""


def vague(text: str) -> str:
    """The first phrase that leaves the decision to the reader, or "" where there is none.

    A list of phrases such as "as appropriate" or "do the right thing", with which
    two readers would do different things. Vagueness in other words is missed.
    """
    found = _VAGUE.search(" ".join(text.split()))
    return found.group() if found else ""


def asserts_evolved_is_good(text: str) -> bool:
    """True where one sentence derives a value from an evolutionary origin.

    A pattern, not an understanding: "it evolved, so it is good" is found, a
    paraphrase over two sentences is not.
    """
    low = text.lower()
    if not any(hint in low for hint in _HINTS):
        return False
    return _GOOD_BECAUSE_EVOLVED.search(" ".join(text.split())) is not None


_GROUP = (
    r"(?:women|men|girls|boys|females|males|wives|husbands|mothers|housewives|blondes|"
    r"old(?:er)? (?:people|women|men)|the elderly|pensioners|young(?:er)? people|teenagers|"
    r"millennials|boomers|the (?:poor|rich|disabled|unemployed)|(?:poor|rich|homeless|unemployed|"
    r"uneducated|working[- ]class|disabled|deaf|blind|autistic|fat|mentally ill) people|"
    r"immigrants|migrants|refugees|foreigners|asylum seekers|natives|tribes(?:men|people)?|"
    r"(?:tribal|primitive|indigenous|native) (?:people|peoples|tribes)|hunter[- ]gatherers|"
    r"muslims|christians|catholics|protestants|jews|jewish people|hindus|buddhists|sikhs|atheists|"
    r"(?:black|white|brown|asian|african|arab|gay|straight|trans|transgender) "
    r"(?:people|men|women)|blacks|whites|arabs|africans|asians|europeans|americans|russians|"
    r"germans|italians|mexicans|indians|turks|poles|"
    r"(?:chinese|japanese|french|english|irish|scottish|spanish|polish|nigerian) "
    r"(?:people|men|women)|"
    r"roma|gypsies|gays|lesbians|homosexuals|city people|country people|southerners|northerners|"
    r"conservatives|liberals|leftists|right-wingers)"
)
_TRAITS = (
    r"(?:lazy|violent|emotional|hysterical|irrational|rational|logical|criminals?|dangerous|stupid|"
    r"dumb|dishonest|liars|thieves|greedy|stingy|submissive|obedient|aggressive|inferior|superior|"
    r"weak(?:er)?|strong(?:er)?|nurturing|caring|gentle(?:r)?|ambitious|competitive|jealous|"
    r"promiscuous|backward|uncivili[sz]ed|savage|primitive|unreliable|untrustworthy|ungrateful|"
    r"intolerant|bigoted|gullible|naive|narrow-minded|rude|dirty|cunning|hard-working|punctual|"
    r"good-natured|musical|athletic|clever(?:er)?|smart(?:er)?|(?:less|more) \w+|"
    r"(?:good|bad|better|worse) (?:at|with|drivers|leaders)|unable to|incapable of)"
)
_HOW = r"(?:all|always|just|simply|usually|mostly|often|generally|very|too|so|rather|quite)"
_NATURE = (
    r"(?:naturally|by nature|innately|inherently|biologically|genetically|instinctively|"
    r"born|hard-?wired|made for|meant to)"
)
# One of these words is in every group above. Looked up first: that is many times faster.
_HEAD_WORDS = """
    africans americans arabs asians atheists blacks blondes boomers boys buddhists catholics
    christians conservatives disabled elderly europeans females foreigners gatherers gays germans
    girls gypsies hindus homosexuals housewives husbands immigrants indians italians jews leftists
    lesbians liberals males men mexicans migrants millennials mothers muslims natives northerners
    pensioners people peoples poles poor protestants refugees rich roma russians seekers sikhs
    southerners teenagers tribes tribesmen tribespeople turks unemployed whites wingers wives women
"""
_HEADS = frozenset(_HEAD_WORDS.split())
# Someone else's claim, named as such, or denied: no stereotype of ours.
_REPORTED = re.compile(
    r"\b(?:assum\w+|belie\w+|claim\w*|den(?:y|ies)|impl(?:y|ies)|nobody|not|never|says?|said|"
    r"stereotyp\w+|(?<!knows )that|suppos\w+|think\w*|whether|if|myth|idea)\b|n['’]t\b|[\"“«]",
    re.IGNORECASE,
)


@cache
def _stereotype() -> re.Pattern[str]:
    """Compiled where first needed: it takes long, and most commands never do."""
    return re.compile(
        rf"\b{_GROUP}\s+(?:are|have always been|will always be)\s+(?:{_HOW}\s+)*{_TRAITS}\b"
        rf"|\b{_GROUP}\s+(?:are|is)\s+(?:{_HOW}\s+)*{_NATURE}\b"
        rf"|\b{_GROUP}\s+(?:{_NATURE}|always|never|tend to|simply|only)\s+"
        r"(?:be|care|cheat|complain|cry|exaggerate|fail|fight|follow|gossip|lead|lie|nag|need|"
        r"obey|panic|prefer|resent|seek|steal|submit|think|understand|want|work)\b"
        rf"|\b(?:by nature|naturally|everyone knows(?: that)?),?\s+{_GROUP}\s+"
        r"(?:are|can(?:no|')t|do)\b"
        rf"|\b{_GROUP}\s+belong in\b|\blike all {_GROUP}\b|\b{_GROUP} are all (?:alike|the same)\b",
        re.IGNORECASE,
    )


def stereotype(text: str) -> str:
    """The words that generalise about a human group, or "" where there are none.

    A short list of groups and traits, made to raise few false alarms: a sentence
    that reports, questions or denies such a claim is left alone. Not covered:
    other languages, irony, groups and traits that are not listed, and statements
    about averages with a source (they read alike, so name the study first).
    """
    if _HEADS.isdisjoint(re.findall(r"[a-z]+", text.lower())):
        return ""
    for sentence in re.split(r"(?<=[.!?;])\s+", " ".join(text.split())):
        found = _stereotype().search(sentence)
        if found and not _REPORTED.search(sentence[: found.start()]):
            return found.group()
    return ""
