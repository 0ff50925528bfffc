"""Finds sentences that say what the members of a group of people are like."""

from __future__ import annotations

import re
from functools import cache

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
_TRAIT = (
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
        rf"\b{_GROUP}\s+(?:are|have always been|will always be)\s+(?:{_HOW}\s+)*{_TRAIT}\b"
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
