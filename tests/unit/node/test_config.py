from decimal import Decimal
from pathlib import Path

import pytest

from tradepit.config import SUPPLIED, Config, ConfigError, find_config, load_config

PAIRS = ["BTC", "ETH", "SOL", "BNB", "XRP", "ADA", "DOGE", "DOT", "MATIC", "LTC"]


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "market.toml"
    path.write_text(text)
    return path


def test_flags_override_the_environment_which_overrides_the_file(tmp_path):
    path = written(tmp_path, 'port = 1000\nhost = "127.0.0.2"\n[journal]\nreserve_bytes = 5\n')
    environment = {
        "TRADEPIT_PORT": "2000",
        "TRADEPIT_JOURNAL__SEGMENT_BYTES": "2000000",
        "TRADEPIT_MARKET__ACCOUNTS_MAX": "7",
        "HOME": "/",
    }
    config = load_config(path, environment, {"data_dir": "elsewhere", "port": None})
    assert (config.port, config.host, config.data_dir) == (2000, "127.0.0.2", "elsewhere")
    assert (config.journal.reserve_bytes, config.journal.segment_bytes) == (5, 2_000_000)
    assert config.market is not None
    assert config.market.accounts_max == 7
    assert load_config(path, environment, {"port": 3000}).port == 3000


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("prot = 1\n", "there is no setting `prot`"),
        ("[journal]\nsegmnt_bytes = 1\n", "journal: there is no setting `segmnt_bytes`"),
        ("port = 70000\n", "port"),
        ('port = "many"\n', "port"),
        ("[journal]\nsegment_bytes = 5\n", "journal.segment_bytes"),
        ('[[market.assets]]\nname = "USD"\n', r"market.assets\[0\]"),
        ("port = \n", "cannot be read"),
    ],
)
def test_what_is_not_understood_is_refused_with_its_place(tmp_path, text, complaint):
    with pytest.raises(ConfigError, match=complaint):
        load_config(written(tmp_path, text), {})


@pytest.mark.parametrize(
    "name", ["TRADEPIT_PROT", "TRADEPIT_JOURNAL", "TRADEPIT_JOURNAL__X", "TRADEPIT_PORT__X"]
)
def test_an_unknown_variable_of_the_environment_is_refused(name):
    with pytest.raises(ConfigError, match=name):
        load_config(None, {name: "1"})


def test_prices_are_read_without_binary_floating_point(tmp_path):
    path = written(
        tmp_path,
        '[[market.instruments]]\nsymbol = "A"\nbase = "B"\nquote = "C"\n'
        "tick_size = 0.1\nlot_size = 1\nreference_price = 0.3\n",
    )
    config = load_config(path, {})
    assert config.market is not None
    instrument = config.market.instruments[0]
    assert instrument.tick_size == Decimal("0.1")
    assert instrument.reference_price == Decimal("0.3")


def supplied(name: str) -> Config:
    return load_config(find_config(name), {})


def test_every_supplied_configuration_loads():
    assert {path.stem for path in SUPPLIED.glob("*.toml")} == {"demo", "load", "coin-exchange"}
    for path in SUPPLIED.glob("*.toml"):
        assert supplied(path.stem).market is not None


def test_the_demo_trades_ten_pairs_a_coin_and_three_shares():
    market = supplied("demo").market
    assert market is not None
    symbols = [instrument.symbol for instrument in market.instruments]
    assert symbols == [
        *(f"{code}-USD" for code in PAIRS), "COIN-USD", "A.COM", "B.COM", "C.COM"
    ]  # fmt: skip
    balances = {asset.code: asset.starting_balance for asset in market.assets}
    assert balances.pop("USD") == 1_000_000
    assert set(balances.values()) == {100}


def test_the_load_configuration_takes_what_the_load_script_sends():
    market = supplied("load").market
    assert market is not None
    assert [each.symbol for each in market.instruments] == [f"{code}-USD" for code in PAIRS]
    for each in market.instruments:
        assert (each.tick_size, each.lot_size) == (Decimal("0.01"), Decimal("0.0001"))
        assert each.collar_percent == 0
        assert each.reference_price == 70_500
    assert market.accounts_max >= 2_080_000, "80 s from 12,000 to 40,000 a second"
    balances = {asset.code: asset.starting_balance for asset in market.assets}
    assert balances["USD"] >= 72_000 * 100
    assert balances["BTC"] >= 100


def test_the_coin_exchange_gives_a_thousand_dollars_and_a_hundred_coins():
    market = supplied("coin-exchange").market
    assert market is not None
    assert {asset.code: asset.starting_balance for asset in market.assets} == {
        "USD": 1000,
        "COIN": 100,
    }


def test_an_unknown_configuration_names_the_known_ones():
    with pytest.raises(ConfigError, match="coin-exchange, demo, load"):
        find_config("nothing")
