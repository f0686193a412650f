"""The city in Streamlit: endpoints of a running Penstock, read over HTTP.

Beside `penstock demo`:

    pip install streamlit
    streamlit run examples/streamlit_app.py

PENSTOCK_URL names another address than http://127.0.0.1:8000.
"""

from __future__ import annotations

import json
import os
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode
from urllib.request import urlopen

import pandas as pd
import streamlit as st

URL = os.environ.get("PENSTOCK_URL", "http://127.0.0.1:8000")
REFRESH = "5s"


def ask(endpoint: str, **params: float) -> pd.DataFrame:
    """An endpoint's rows; columns that end in `_ms` become times. Stops the page where it fails."""
    address = f"{URL}/v1/endpoints/homes/{endpoint}.columns?{urlencode(params)}"
    try:
        with urlopen(address, timeout=10) as answer:  # noqa: S310 - an address of one's own
            columns: dict[str, list[Any]] = json.load(answer)
    except HTTPError as error:
        problem = json.load(error)
        st.error(f"{problem['title']}: {problem['detail']}. Next: {problem.get('next', '')}")
        st.stop()
    except URLError:
        st.error(f"Nothing answers at {URL}. Start it with `penstock demo`, or set PENSTOCK_URL.")
        st.stop()
    frame = pd.DataFrame(columns)
    for name in frame.columns:
        if name.endswith("_ms"):
            frame[name] = pd.to_datetime(frame[name], unit="ms", utc=True)
    return frame


def shown(value: float | None, unit: str, digits: int = 0) -> str:
    """A figure with its unit, or a dash."""
    return "-" if value is None or pd.isna(value) else f"{value:,.{digits}f} {unit}".strip()


@st.fragment(run_every=REFRESH)
def city() -> None:
    """What the whole city does now."""
    now = ask("city_heartbeat").iloc[0]
    homes, power, inside, rows = st.columns(4)
    homes.metric("Homes", shown(now["homes"], ""))
    power.metric("Power", shown(now["kw_now"], "kW", 1))
    inside.metric("Inside", shown(now["temperature_now"], "°C", 1))
    rows.metric("Rows", shown(now["rows_per_s"], "a second"))
    energy = ask("energy_by_region", minutes=60)
    st.subheader("Power by region, kW")
    if energy.empty:
        st.info("The first point comes with the first whole minute of readings.")
    else:
        st.line_chart(energy, x="minute_ms", y="kw", color="region", x_label="", y_label="kW")


@st.fragment(run_every=REFRESH)
def home(number: int, minutes: int) -> None:
    """One home's readings."""
    series = ask("home_series", home_id=number, minutes=minutes)
    if series.empty:
        st.info(f"Home {number} sent nothing in the last {minutes} minutes.")
        return
    for column, unit in (("temperature", "°C"), ("power", "W"), ("vibration", "mm/s")):
        st.caption(f"{column.capitalize()}, {unit}")
        st.line_chart(series, x="ts_ms", y=column, x_label="", y_label=unit, height=180)


st.set_page_config(page_title="Penstock", layout="wide")
st.title("The city")
st.caption(f"Live from {URL}, every {REFRESH}.")
city()
st.subheader("One home")
chosen = st.number_input("Home", min_value=1, value=7, step=1)
back = st.slider("Minutes back", min_value=5, max_value=180, value=30, step=5)
home(int(chosen), int(back))
st.subheader("Suspected failures")
suspects = ask("suspected_thermal", hours=24)
st.dataframe(suspects[["home_id", "suspect", "value", "expected", "sigma", "since_ms"]])
