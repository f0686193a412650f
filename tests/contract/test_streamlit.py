"""examples/streamlit_app.py, run by Streamlit's own AppTest against a platform."""

from __future__ import annotations

import json
from importlib.util import find_spec
from typing import TYPE_CHECKING

import pytest
from tests.conftest import need
from tests.contract.conftest import EXAMPLES, Up, reading

if TYPE_CHECKING:
    from streamlit.testing.v1 import AppTest

APP = EXAMPLES / "streamlit_app.py"
HOME = 6_400_001


@pytest.fixture
def app(platform: Up, monkeypatch: pytest.MonkeyPatch) -> AppTest:
    need("Streamlit", present=find_spec("streamlit") is not None, how="make dev")
    from streamlit.testing.v1 import AppTest  # noqa: PLC0415 - a second

    monkeypatch.setenv("PENSTOCK_URL", platform.url)
    return AppTest.from_file(str(APP), default_timeout=60)


def test_it_is_short() -> None:
    assert len(APP.read_text("utf-8").splitlines()) <= 100


def test_it_shows_what_was_sent(app: AppTest, platform: Up) -> None:
    body = json.dumps(reading(HOME, temperature=21.5, vibration=0.4))
    assert platform.post(body.encode(), wait="true").status_code == 200
    app.run()
    assert not app.exception, app.exception
    homes = next(metric for metric in app.metric if metric.label == "Homes")
    assert int(homes.value.replace(",", "")) >= 1
    assert app.dataframe[0].value.columns[0] == "home_id"
    app.number_input[0].set_value(HOME).run()
    assert not app.exception, app.exception
    assert [caption.value for caption in app.caption[1:]] == [
        "Temperature, °C", "Power, W", "Vibration, mm/s",
    ]  # fmt: skip


def test_a_home_that_is_silent_is_said(app: AppTest) -> None:
    app.run()
    app.number_input[0].set_value(6_499_999).run()
    assert any("sent nothing" in info.value for info in app.info)


def test_it_says_what_to_start(app: AppTest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PENSTOCK_URL", "http://127.0.0.1:9")
    app.run()
    assert not app.exception, app.exception
    assert "penstock demo" in app.error[0].value
