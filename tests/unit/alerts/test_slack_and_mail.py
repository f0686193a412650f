"""What Slack and mail are told, over real sockets, and what of the data can do nothing there."""

from __future__ import annotations

import json
import socketserver
import threading
from collections.abc import Iterator
from dataclasses import replace
from email import message_from_bytes, policy

import pytest
from tests.unit.alerts.test_webhook import FIRED, HOT, Receiver, receiver

from penstock.alerts.mail import Mail
from penstock.alerts.slack import Slack, words
from penstock.errors import DeliveryError, UsageError

__all__ = ["receiver"]


class Post(socketserver.ThreadingTCPServer):
    """A server for mail that takes everything but what goes to `refused@`."""

    allow_reuse_address = True
    daemon_threads = True
    said: list[str]
    got: list[bytes]


class _Handler(socketserver.StreamRequestHandler):
    server: Post

    def handle(self) -> None:
        self.reply("220 here")
        while line := self.rfile.readline():
            word = line.decode("utf-8", "replace").strip()
            verb, _, rest = word.partition(" ")
            word = f"{verb.upper()} {rest}".strip()
            self.server.said.append(word)
            if word == "DATA":
                self.reply("354 go on")
                self.server.got.append(b"".join(iter(self.rfile.readline, b".\r\n")))
                self.reply("250 taken")
            elif word == "QUIT":
                self.reply("221 bye")
                return
            elif word.startswith("EHLO"):
                self.reply("250-here\r\n250 AUTH PLAIN")
            elif "refused@" in word:
                self.reply("550 nobody")
            else:
                self.reply("235 ok" if word.startswith("AUTH") else "250 ok")

    def reply(self, line: str) -> None:
        self.wfile.write(line.encode() + b"\r\n")


@pytest.fixture
def post() -> Iterator[Post]:
    server = Post(("127.0.0.1", 0), _Handler)
    server.said, server.got = [], []
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def mail(post: Post, *to: str, user: str = "") -> Mail:
    return Mail(f"smtp://{user}127.0.0.1:{post.server_address[1]}", "penstock@example.org", to)


def test_slack_gets_one_line_that_data_cannot_mark_up(receiver: Receiver) -> None:
    odd = replace(HOT, message="<!channel> & <http://evil|home>")
    Slack(f"http://127.0.0.1:{receiver.server_port}/services/x", private=True).send(
        replace(FIRED, incident=odd)
    )
    ((headers, body),) = receiver.got
    assert headers["content-type"] == "application/json"
    assert json.loads(body) == {
        "text": ":rotating_light: *homes/hot* fired: "
        "&lt;!channel&gt; &amp; &lt;http://evil|home&gt;"
    }
    assert words(replace(FIRED, event="resolved")).startswith(":white_check_mark:")


def test_slack_calls_nobody_and_makes_no_lines_of_data() -> None:
    odd = replace(HOT, message="Home @all\n\n@channel\u2028is hot")
    said = words(replace(FIRED, incident=odd))
    assert said.endswith("fired: Home @\u200ball @\u200bchannel is hot")


def test_slack_is_no_way_inside_and_says_what_failed(receiver: Receiver) -> None:
    url = f"http://127.0.0.1:{receiver.server_port}/services/secret"
    with pytest.raises(DeliveryError, match="inside"):
        Slack(url).send(FIRED)
    receiver.answer = 404
    with pytest.raises(DeliveryError, match="404") as failed:
        Slack(url, private=True).send(FIRED)
    assert "secret" not in str(failed.value)
    with pytest.raises(UsageError, match="no address"):
        Slack("hooks.slack.com/x")


def test_mail_says_what_is_known_and_keeps_its_id(post: Post) -> None:
    odd = replace(HOT, message="Home 7\r\nBcc: all@example.org\r\n\r\nis at 45 °C", row={"home": 7})
    for _ in range(2):
        mail(post, "a@example.org", "b@example.org").send(replace(FIRED, incident=odd))
    first, second = (message_from_bytes(body, policy=policy.default) for body in post.got)
    assert first["To"] == "a@example.org, b@example.org"
    assert " ".join(first["Subject"].split()) == (  # folded where it is long
        "[critical] homes/hot fired: Home 7 Bcc: all@example.org is at 45 °C"
    )
    assert first["Bcc"] is None
    assert first["Message-ID"] == second["Message-ID"] == "<penstock-3-11-fired@example.org>"
    assert "home: 7" in first.get_content()
    assert [word for word in post.said if word.startswith("RCPT")] == [
        "RCPT TO:<a@example.org>", "RCPT TO:<b@example.org>",
    ] * 2  # fmt: skip


@pytest.mark.parametrize(
    "word",
    ["=?utf-8?q?=0D=0AReply-To:_evil@x=0D=0A=0D=0ACall?=", "=?utf-8?b?DQpCY2M6IGV2aWxAeA==?="],
)
def test_an_encoded_word_in_data_makes_no_header(post: Post, word: str) -> None:
    odd = replace(HOT, message=f"Home {word} is hot")
    mail(post, "a@example.org").send(replace(FIRED, incident=odd))
    got = message_from_bytes(post.got[0], policy=policy.default)
    assert {name.lower() for name in got} <= {
        "from", "to", "subject", "date", "message-id", "mime-version", "content-type",
        "content-transfer-encoding",
    }  # fmt: skip
    assert not {"\r", "\n"} & set(got["Subject"])
    assert got.get_content().startswith(f"Home {word}")


def test_mail_signs_in_and_goes_to_who_is_not_refused(
    post: Post, capsys: pytest.CaptureFixture[str]
) -> None:
    mail(post, "a@example.org", user="me:p%40ss@").send(FIRED)
    assert any(word.startswith("AUTH PLAIN") for word in post.said)
    mail(post, "a@example.org", "refused@example.org").send(FIRED)
    assert len(post.got) == 2
    assert "refused@example.org" in "".join(capsys.readouterr())
    with pytest.raises(DeliveryError):
        mail(post, "refused@example.org").send(FIRED)


def test_mail_that_nobody_takes_is_a_failure(post: Post) -> None:
    port = post.server_address[1]
    gone = Mail("smtp://127.0.0.1:1", "penstock@example.org", ("a@example.org",))
    with pytest.raises(DeliveryError, match="Refused"):
        gone.send(FIRED)
    with pytest.raises(DeliveryError):  # it speaks no TLS
        Mail(f"smtps://127.0.0.1:{port}", "p@example.org", ("a@example.org",)).send(FIRED)


@pytest.mark.parametrize(
    ("url", "sender", "to"),
    [("http://host", "a@b", ("a@b",)), ("smtp://", "a@b", ("a@b",)), ("smtp://h", "", ("a@b",)),
     ("smtp://h", "a@b", ()), ("smtp://h", "a@b", ("nobody",)), ("smtp://h:abc", "a@b", ("a@b",)),
     ("smtp://me:s3/cret@h", "a@b", ("a@b",)), ("smtp://h:65536", "a@b", ("a@b",)),
     ("smtp://h:0", "a@b", ("a@b",)), ("smtp://a..b", "a@b", ("a@b",)),
     ("smtp://[::1", "a@b", ("a@b",)), ("smtp://h\xe4", "a@b", ("a@b",)),
     ("smtp://h", "a@b", ("a@",)), ("smtp://h", "a@", ("a@b",)), ("smtp://h", "a@b", ("a@[",)),
     ("smtp://h", "a@b", ("a@b c@d",)), ("smtp://h", "a@b\r\nBcc: c@d", ("a@b",)),
     ("smtp://h", "a@b", ("a@b..c",))],
)  # fmt: skip
def test_half_a_setting_is_refused_at_once(url: str, sender: str, to: tuple[str, ...]) -> None:
    with pytest.raises(UsageError) as refused:
        Mail(url, sender, to)
    assert "s3" not in str(refused.value)


def test_a_sender_may_have_a_name(post: Post) -> None:
    url = f"smtp://127.0.0.1:{post.server_address[1]}"
    Mail(url, "Penstock <p@example.org>", ("a@example.org",)).send(FIRED)
    got = message_from_bytes(post.got[0], policy=policy.default)
    assert (got["From"], got["Message-ID"]) == (
        "Penstock <p@example.org>", "<penstock-3-11-fired@example.org>",
    )  # fmt: skip
