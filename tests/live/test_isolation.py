"""Two hundred clients at once on one replay, over real sockets: nobody hears of another."""

from __future__ import annotations

from benchmarks.isolation import Heard, Said, leaks, measure


def test_two_hundred_clients_do_not_hear_of_each_other() -> None:
    figures = measure(200)
    assert figures.leaks == ()
    assert (figures.clients, figures.messages) == (200, 1800)


def test_a_leak_is_found_where_there_is_one() -> None:
    one, two = Said.by(1), Said.by(2)
    fine = Heard(texts=[f'{{"title": "{one.title}", "id": "5d1b1f0e"}}'], made={"5d1b1f0e"})
    assert list(leaks({one: fine, two: Heard(texts=[f"well, {two.note}!"])})) == []
    for secret in two.note, two.email, two.thread, str(two.device), two.wish, "e0f1b1d5":
        heard = Heard(texts=[*fine.texts, f"a <{secret}> b"])
        assert len(list(leaks({one: heard, two: Heard(made={"e0f1b1d5"})}))) == 1, secret
