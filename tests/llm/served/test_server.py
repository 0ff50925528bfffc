"""`anlage serve` as a client of OpenAI's protocol sees it, and what it refuses."""

from __future__ import annotations

import http.client
import json
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anlage
import pytest
from anlage.llm.local.model import LocalModel
from anlage.llm.message import Message
from anlage.llm.models import load_model
from anlage.llm.request import Request
from anlage.llm.run_sync import run_sync
from anlage.llm.served import replica

from ...helpers.served import Served
from ...helpers.tiny_model import make_tiny_model

PAGE = (Path(anlage.__file__).resolve().parent / "docs" / "scale.md").read_text(encoding="utf-8")
ASKED = {"prompt": "How do I open the door", "max_tokens": 12, "temperature": 0}
CHAT = {"messages": [{"role": "user", "content": "How?"}], "max_tokens": 12, "temperature": 0}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("server")
    (folder / "runs").mkdir()
    with Served(make_tiny_model(folder / "model"), adapters=folder / "runs") as server:
        yield server


@pytest.fixture(scope="module")
def local(server: Served) -> LocalModel:
    return LocalModel.load(server.target, dtype="float32")


def refused(server: Served, path: str, body: Any, **headers: str) -> tuple[int, str]:
    status, answer = server.ask(path, body, headers)
    assert set(answer["error"]) == {"message", "type", "param", "code"}
    return status, answer["error"]["message"]


def test_a_chat_is_rendered_as_everywhere_else(server: Served, local: LocalModel) -> None:
    messages = (Message("system", "Be kind."), Message("user", "How do I open the door?"))
    expected = run_sync(local.complete([Request(messages, max_tokens=9)]))[0]
    told: list[dict[str, Any]] = [{"role": one.role, "content": one.content} for one in messages]
    status, answer = server.ask(
        "chat/completions", {**CHAT, "messages": told, "max_completion_tokens": 9}
    )
    assert status == 200
    assert answer["choices"][0]["message"] == {"role": "assistant", "content": expected.text}
    assert answer["usage"]["prompt_tokens"] == expected.usage.prompt_tokens
    prefilled = Request(messages, prefill="I won't", max_tokens=9)
    expected = run_sync(local.complete([prefilled]))[0]
    told = [*told, {"role": "assistant", "content": [{"type": "text", "text": "I won't"}]}]
    body = {**CHAT, "messages": told, "max_tokens": 9, "continue_final_message": True}
    answer = server.ask("chat/completions", body)[1]
    assert answer["choices"][0]["message"]["content"] == expected.text


@pytest.mark.parametrize("stop", [[], ["e", " lost"]])
def test_a_stream_says_what_the_whole_answer_says(server: Served, stop: list[str]) -> None:
    for path, asked, key in (("chat/completions", CHAT, "delta"), ("completions", ASKED, "")):
        body = {**asked, "max_tokens": 40, "stop": stop}
        whole = server.ask(path, body)[1]
        lines = server.ask(path, {**body, "stream": True})[1].strip().split("\n\n")
        assert lines[-1] == "data: [DONE]"
        chunks = [json.loads(line.removeprefix("data: ")) for line in lines[:-1]]
        pieces = [chunk["choices"][0] for chunk in chunks]
        text = "".join(piece[key]["content"] if key else piece["text"] for piece in pieces)
        choice = whole["choices"][0]
        assert text == (choice["message"]["content"] if key else choice["text"])
        assert [piece["finish_reason"] for piece in pieces[:-1]] == [None] * (len(pieces) - 1)
        assert pieces[-1]["finish_reason"] == choice["finish_reason"]
        assert chunks[-1]["usage"] == whole["usage"]
        assert len({chunk["id"] for chunk in chunks}) == 1
        assert stop or len(pieces) > 3


def test_log_probabilities_of_prompt_and_answer_belong_together(server: Served) -> None:
    body = {**ASKED, "echo": True, "logprobs": 3, "prompt_logprobs": 2, "return_token_ids": True}
    choice = server.ask("completions", body)[1]["choices"][0]
    ids, new, shown = choice["prompt_token_ids"], choice["token_ids"], choice["logprobs"]
    assert "".join(shown["tokens"][: len(ids)]) == ASKED["prompt"]
    assert len(shown["token_logprobs"]) == len(ids) + len(new)
    places = choice["prompt_logprobs"]
    assert places[0] is None
    assert len(places) == len(ids)
    for one, place, value in zip(ids[1:], places[1:], shown["token_logprobs"][1:], strict=False):
        assert place[str(one)]["logprob"] == pytest.approx(value)
        assert {1, 2} <= {entry["rank"] for entry in place.values()}
    for token, value, top in zip(
        shown["tokens"][len(ids) :],
        shown["token_logprobs"][len(ids) :],
        shown["top_logprobs"][len(ids) :],
        strict=True,
    ):
        assert top[token] == value
        assert value == pytest.approx(max(top.values()), abs=1e-5)  # greedy: the likeliest
    one = server.ask("completions", {**body, "max_tokens": 1})[1]["choices"][0]
    assert one["token_ids"] == new[:1]
    assert one["logprobs"]["token_logprobs"][-1] == pytest.approx(
        shown["token_logprobs"][len(ids)], abs=1e-5
    )


def test_one_token_that_is_scored_with_its_prompt_ends_as_one_that_is_written(
    server: Served,
) -> None:
    body = {**ASKED, "max_tokens": 1, "temperature": 0}
    text = server.ask("completions", body)[1]["choices"][0]["text"]
    for stop in ([], [text]):
        written, scored = (
            server.ask("completions", {**body, "stop": stop, **more})[1]["choices"][0]
            for more in ({}, {"prompt_logprobs": 0})
        )
        assert written["finish_reason"] == scored["finish_reason"]
        assert written["text"] == scored["text"]


def test_several_prompts_and_seeds(server: Served) -> None:
    body = {"prompt": ["How", "Why"], "max_tokens": 9, "temperature": 1, "seed": 3}
    first, again = (server.ask("completions", body)[1]["choices"] for _ in range(2))
    assert first == again
    assert [choice["index"] for choice in first] == [0, 1]
    other = server.ask("completions", {**body, "seed": 4})[1]["choices"]
    assert [one["text"] for one in other] != [one["text"] for one in first]
    drawn = {
        server.ask("completions", {"prompt": "How", "max_tokens": 9})[1]["choices"][0]["text"]
        for _ in range(4)
    }
    assert len(drawn) > 1


@pytest.mark.parametrize(
    ("path", "body", "said"),
    [
        ("completions", {**ASKED, "n": 2}, "`n`"),
        ("completions", {**ASKED, "frequency_penalty": 0.5}, "`frequency_penalty`"),
        ("completions", {**ASKED, "top_k": 5}, "`top_k`"),
        ("completions", {**ASKED, "response_format": {"type": "json_object"}}, "`response_format`"),
        ("completions", {**ASKED, "max_tokens": 0}, "`max_tokens` must be from 1"),
        ("completions", {**ASKED, "max_tokens": 5000}, "exceed the model's context of 1024"),
        ("completions", {**ASKED, "temperature": "hot"}, "`temperature` must be"),
        ("completions", {**ASKED, "logprobs": 99}, "`logprobs` must be from 0 to 20"),
        ("completions", {**ASKED, "stop": [1]}, "`stop` must be a text"),
        ("completions", {**ASKED, "stream": True, "prompt_logprobs": 0}, "not available"),
        ("completions", {**ASKED, "stream": True, "prompt": ["a", "b"]}, "cannot be streamed"),
        ("completions", {**ASKED, "prompt": [99999]}, "token id from 0 to"),
        ("completions", {**ASKED, "prompt": [-1]}, "`prompt` must be"),
        ("completions", {**ASKED, "prompt": []}, "`prompt` must be"),
        ("completions", b"{", "not JSON"),
        ("completions", b"[]", "not a JSON object"),
        ("chat/completions", {**CHAT, "tools": [{"type": "function"}]}, "`tools`"),
        ("chat/completions", {**CHAT, "messages": []}, "at least one message"),
        ("chat/completions", {**CHAT, "messages": [{"role": "x"}]}, "role of a message"),
        ("load_lora_adapter", {"lora_name": "a"}, "must be provided"),
    ],
)
def test_what_has_no_effect_or_no_sense_is_refused(
    server: Served, path: str, body: Any, said: str
) -> None:
    status, message = refused(server, path, body)
    assert status == 400
    assert said in message


def test_unknown_models_and_paths_are_not_found(server: Served) -> None:
    assert refused(server, "completions", {**ASKED, "model": "gpt"})[0] == 404
    assert refused(server, "completions", {**ASKED, "model": {"a": 1}})[0] == 404
    assert refused(server, "unload_lora_adapter", {"lora_name": "gpt"})[0] == 404
    assert refused(server, "embeddings", {"input": "a"})[0] == 404
    assert server.ask("/health")[0] == 200


def raw(server: Served, path: str, **headers: str) -> int:
    """A request as no library sends it."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    connection.putrequest("GET", path, skip_host="Host" in headers)
    for name, value in headers.items():
        connection.putheader(name, value)
    connection.endheaders()
    status = connection.getresponse().status
    connection.close()
    return status


def test_only_this_machine_and_no_page_of_another_origin_may_ask(server: Served) -> None:
    own = f"127.0.0.1:{server.port}"
    assert raw(server, "/v1/models", Origin=f"http://{own}") == 200
    for origin in (
        "http://evil.example",
        "http://localhost:1",
        "null",
        f"http://{own}.evil.example",
    ):
        assert raw(server, "/v1/models", Origin=origin) == 403
    assert raw(server, "/v1/models", Host="evil.example") == 403
    for path in ("/v1/../etc/passwd", "/v1/%2e%2e/models", "/v1/..%2fmodels"):
        assert raw(server, path) == 400
    listening = subprocess.run(["ss", "-ltn"], capture_output=True, text=True, check=False).stdout
    assert f"0.0.0.0:{server.port}" not in listening


def test_a_body_over_8_mb_is_refused_and_one_below_is_read(server: Served) -> None:
    status, message = refused(server, "completions", {**ASKED, "prompt": "a" * (8 << 20)})
    assert (status, message) == (413, "the body is larger than 8 MB")
    assert refused(server, "completions", {**ASKED, "prompt": "a" * (1 << 20)})[0] == 400


def test_adapters_come_from_the_folder_alone_and_as_safetensors_alone(
    server: Served, tmp_path: Path
) -> None:
    assert server.adapters is not None
    inside = server.adapters / "pickled"
    inside.mkdir()
    (inside / "adapter_config.json").write_text("{}")
    (inside / "adapter_model.bin").write_bytes(b"x")
    outside = tmp_path / "adapter"
    outside.mkdir()
    for name in ("adapter_config.json", "adapter_model.safetensors"):
        (outside / name).write_text("{}")
    (server.adapters / "link").symlink_to(outside)
    cases = {
        str(outside): "is not inside",
        str(server.adapters / "link"): "is not inside",
        str(server.adapters / "runs" / ".." / "pickled"): "`..`",
        "../pickled": "`..`",
        "pickled": "safetensors alone",
        str(inside): "safetensors alone",
        "/etc": "is not inside",
    }
    for path, said in cases.items():
        status, message = refused(
            server, "load_lora_adapter", {"lora_name": "a", "lora_path": path}
        )
        assert status in (400, 404)
        assert said in message
    name = str(server.target)
    taken = {"lora_name": name, "lora_path": "pickled"}
    assert "already been loaded" in refused(server, "load_lora_adapter", taken)[1]


def test_the_client_of_openai_works(server: Served, local: LocalModel) -> None:
    openai = pytest.importorskip("openai")
    client = openai.OpenAI(base_url=server.url, api_key="none", max_retries=0)
    name = client.models.list().data[0].id
    whole = client.chat.completions.create(model=name, **CHAT, logprobs=True, top_logprobs=2)
    expected = run_sync(local.complete([Request((Message("user", "How?"),), max_tokens=12)]))[0]
    assert whole.choices[0].message.content == expected.text
    content = whole.choices[0].logprobs.content
    assert [one.logprob for one in content] == pytest.approx(expected.logprobs, abs=1e-4)
    assert {len(one.top_logprobs) for one in content} == {2}
    pieces = client.chat.completions.create(model=name, **CHAT, stream=True)
    assert "".join(one.choices[0].delta.content or "" for one in pieces) == expected.text
    raw_text = client.completions.create(
        model=name, **ASKED, logprobs=1, extra_body={"prompt_logprobs": 0}
    )
    assert raw_text.choices[0].finish_reason in ("length", "stop")
    assert raw_text.usage.completion_tokens == len(raw_text.choices[0].logprobs.tokens)
    with pytest.raises(openai.BadRequestError, match="`n`"):
        client.completions.create(model=name, prompt="How", n=2)
    with pytest.raises(openai.NotFoundError, match="does not exist"):
        client.completions.create(model="gpt", prompt="How")


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_the_curl_lines_of_the_docs_work(server: Served) -> None:
    lines = [line for line in PAGE.splitlines() if line.startswith("curl ")]
    assert len(lines) == 5
    for line in lines:
        here = line.replace("smollm2-135m", str(server.target)).replace(":8000", f":{server.port}")
        said = subprocess.run(shlex.split(here), capture_output=True, text=True, check=True).stdout
        if '"stream": true' in line:
            assert said.strip().endswith("data: [DONE]")
        else:
            assert set(json.loads(said)) >= {"object"}, said


def table() -> dict[str, set[str]]:
    """Endpoint -> fields, as docs/scale.md lists them."""
    rows = re.findall(r"^\| ((?:GET|POST) \S+|answer) \| (\S+) \|", PAGE, re.MULTILINE)
    found: dict[str, set[str]] = {}
    for endpoint, field in rows:
        found.setdefault(endpoint.split("/v1/")[-1], set()).add(field)
    return found


def test_the_client_uses_what_the_table_lists_and_nothing_else(
    server: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = table()
    sent: dict[str, set[str]] = {}
    post = replica.Replica.post

    names = listed["answer"] | listed["models"]

    def kept(value: Any, at: str) -> Any:
        """Only what the table lists: a server that gives no more must be enough."""
        if at in names:
            return value
        if isinstance(value, list):
            return [kept(one, f"{at}[0]" if at == "choices" else f"{at}[]") for one in value]
        if not isinstance(value, dict):
            return value
        places = {key: f"{at}.{key}".lstrip(".") for key in value}
        return {
            key: kept(value[key], place)
            for key, place in places.items()
            if any(name.startswith(place) for name in names)
        }

    async def recorded(self: Any, path: str, body: Any, timeout: float) -> Any:
        sent.setdefault(path, set()).update(body or {})
        return kept(await post(self, path, body, timeout), "")

    monkeypatch.setattr(replica.Replica, "post", recorded)
    model = load_model(server.spec)
    asked = [
        Request((Message("user", "How?"),), max_tokens=9, temperature=warmth, stop=("e",))
        for warmth in (0.0, 1.0)
    ]
    answers = run_sync(model.complete(asked))
    scores = run_sync(model.score([(asked[0], "Yes, I will.")]))
    assert {one.outcome.kind for one in answers} <= {"ok", "truncated"}
    assert scores[0].greedy is False
    assert sent["completions"] == listed["completions"]
    assert listed["load_lora_adapter"] == {"lora_name", "lora_path"}
    assert listed["unload_lora_adapter"] == {"lora_name"}


def test_a_second_server_on_the_port_is_told_so(server: Served) -> None:
    command = [sys.executable, "-m", "anlage.cli", "serve", str(server.target)]
    done = subprocess.run([*command, "--port", str(server.port)], capture_output=True, text=True)
    assert done.returncode == 2
    assert f"port {server.port} is in use" in " ".join(done.stderr.split())
    assert "--port" in done.stderr


def test_the_examples_can_be_read_and_name_what_the_docs_name() -> None:
    folder = Path(anlage.__file__).resolve().parent / "examples" / "vllm"
    for name in ("serve.sh", "slurm.sbatch"):
        subprocess.run(["bash", "-n", str(folder / name)], check=True)
        text = (folder / name).read_text(encoding="utf-8")
        for word in ("--served-model-name", "--enable-lora", "VLLM_ALLOW_RUNTIME_LORA_UPDATING"):
            assert word in text
    compile((folder / "ray_serve.py").read_text(encoding="utf-8"), "ray_serve.py", "exec")
