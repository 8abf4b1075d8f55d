"""The shop's world: catalogue, people, fields, planted effects, against brute force."""

import math
import statistics
from types import SimpleNamespace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from small_shop import generator, reviews, small

from helpers import shop
from helpers.data import catalogue
from helpers.shop import catalogue as shop_catalogue
from helpers.shop import serve, simulator
from helpers.shop import truth as shop_truth
from helpers.shop import words as shop_words


@pytest.fixture(scope="module")
def real():
    table = catalogue.reviews()
    return table, shop.Shop(table)


def some_ids(world, n=300, seed=0):
    sizes = (len(world.users.age), len(world.queries.text), len(world.items.text))
    return [torch.randint(s, (n,), generator=generator(seed + i)) for i, s in enumerate(sizes)]


# Catalogue ----------------------------------------------------------------------------------------


def test_items_are_the_reviewed_ones():
    world, table = small(), reviews()
    assert world.items.original.tolist() == sorted(set(table.item.tolist()))
    share = [table.item.tolist().count(i) / len(table.item) for i in world.items.original.tolist()]
    assert world.items.popularity.tolist() == pytest.approx(share)
    for i, name in zip(world.items.original.tolist(), world.items.category.tolist(), strict=True):
        classes = {c for c, j in zip(table.class_name, table.item.tolist(), strict=True) if i == j}
        assert {world.items.category_names[name]} == classes


def test_text_is_the_titles_words_and_the_noun_of_the_class():
    world, table = small(), reviews()
    for i, text in enumerate(world.items.text):
        number = world.items.original[i].item()
        mine = [j for j, item in enumerate(table.item.tolist()) if item == number]
        words = {w for j in mine for w in shop_words.split(table.title[j])}
        words = words or {w for j in mine for w in shop_words.split(table.body[j])}
        *said, noun = text.split()
        assert noun == shop_words.noun(world.items.category_names[world.items.category[i]])
        assert said and len(said) <= 10 and len(set(said)) == len(said)
        wishes = {w for c in shop_words.CONCEPTS.values() for w in c.split()}
        spoken = {w for j in mine for w in shop_words.split(f"{table.title[j]} {table.body[j]}")}
        assert set(said) <= words | (spoken & wishes)


@given(st.text(max_size=40))
def test_words_of_any_text(text):
    letters = "".join(c if "a" <= c <= "z" else " " for c in text.lower())
    assert shop_words.split(text) == letters.split()


def test_price_bands_quarter_each_class():
    items = small().items
    for c in range(len(items.category_names)):
        mine = items.category == c
        counts = items.price_band[mine].bincount(minlength=4)
        assert counts.max() - counts.min() <= 1
        for band in range(3):
            below = items.price[mine & (items.price_band == band)]
            assert below.max() <= items.price[mine & (items.price_band == band + 1)].min()


def test_relevance_by_its_definition():
    world = small()
    items, queries = world.items, world.queries
    seen = set()
    for q in range(len(queries.text)):
        home = items.department[items.category == queries.category[q]][0]
        for i in range(len(items.text)):
            level = items.level[i, queries.attribute[q]].item()
            if items.category[i] == queries.category[q]:
                grade = 1 + level
            else:
                grade = int(items.department[i] == home and level > 0)
            assert world.relevance(q, i).item() == grade
            seen.add(grade)
    assert seen == {0, 1, 2, 3}


def test_real_catalogue(real):
    """Counts of the real table; text that speaks of an attribute is evidence of it, not proof."""
    table, world = real
    assert len(world.items.text) == 1206 and len(world.items.category_names) == 21
    counts = table.item.bincount() / len(table.item)
    torch.testing.assert_close(world.items.popularity, counts.double())
    level = world.items.level.double()
    assert ((level == 2).double().mean(0) - 0.125).abs().max() < 0.001
    assert ((level > 0).double().mean(0) - 0.325).abs().max() < 0.001
    says = torch.zeros_like(level, dtype=torch.bool)
    for a, words in enumerate(shop_words.CONCEPTS.values(), 1):
        for i, text in enumerate(world.items.text):
            says[i, a] = not set(words.split()).isdisjoint(text.split())
    said, silent = level[says], level[~says]
    error = math.sqrt(said.var() / len(said) + silent.var() / len(silent))
    assert said.mean() - silent.mean() > 5 * error
    assert (said == 0).double().mean() > 0.05 and (silent == 2).double().mean() > 0.05


def test_new_items_are_taken_for_the_least_popular():
    """A score less what relevance, quality and noise give is the popularity it leans on."""
    items = small(cold=0.4).items
    queries = small(cold=0.4).queries
    relevance = torch.ones(24, 48)
    found, scores = serve.candidates(items, queries, relevance, 48, 4, generator(2))
    assert torch.equal(found, torch.arange(48).expand(24, 48))
    noise = torch.randn(2, 24, 48, generator=generator(2), dtype=torch.float64)
    popular = (scores - 0.3 * items.quality - 0.6 * noise[1])[0] / 0.3
    log = items.popularity.log()
    log = torch.where(items.launch > 0, log.min(), log)
    torch.testing.assert_close(popular, (log - log.mean()) / log.std())
    new = items.launch > 0
    assert new.any() and (popular[new] <= popular.min() + 1e-9).all()


def test_relevance_outside_the_class_needs_the_wish():
    """In the department grade 1 is for those with the attribute; elsewhere there is none."""
    world = small()
    items, queries = world.items, world.queries
    home = {c: d for c, d in zip(items.category.tolist(), items.department.tolist(), strict=True)}
    where = torch.tensor([home[c] for c in queries.category.tolist()])
    other = queries.category[:, None] != items.category
    near = other & (where[:, None] == items.department)
    has = items.level.T[queries.attribute] > 0
    grade = world.truth.relevance
    assert (grade[near & has] == 1).all() and (near & has).any()
    assert (grade[near & ~has] == 0).all() and (near & ~has).any()
    assert (grade[other & ~near] == 0).all()


def test_shoppers_type_a_noun_for_a_class():
    nouns = {"Dresses": "dress", "Knits": "top", "Fine gauge": "cardigan", "": "other"}
    assert {name: shop_words.noun(name) for name in nouns} == nouns
    assert shop_words.noun("Shorts") == "shorts"  # a class without an entry: its own name
    world = small()
    assert {t.split()[-1] for t in world.items.text} == {"dress", "top", "sweater", "swimsuit"}


def test_numbers_of_values(real):
    """The real shop's defaults, as its page states them; every brand and city occurs."""
    world = real[1]
    sizes = dict(zip(world.fields, world.sizes.tolist(), strict=True))
    expected = {"user": 5000, "age": 6, "device": 3, "city": 20, "query": 400}
    expected |= {"query_category": 21, "attribute": 25, "intent": 4, "item": 1206}
    expected |= {"category": 21, "brand": 40, "price_band": 4, "match": 4}
    assert sizes == expected
    assert world.items.brand.unique().tolist() == list(range(40))
    assert world.users.city.unique().tolist() == list(range(20))
    assert world.users.device.unique().tolist() == list(range(3))
    assert world.candidates.shape == (400, 40) and world.n_positions == 10


def test_defaults_of_the_options():
    """What a shop is unless told otherwise."""
    assert simulator.OPTIONS == {
        "n_users": 5000,
        "n_queries": 400,
        "n_brands": 40,
        "n_candidates": 40,
        "n_positions": 10,
        "pairwise": 1.0,
        "triple": 1.0,
        "drift": 1.0,
        "context": 0.0,
        "trust": 0.0,
        "rate": 0.035,
        "cold": 0.05,
        "reformulate": 0.4,
        "typo": 0.08,
    }


# People and queries -------------------------------------------------------------------------------


def test_queries_are_words_that_the_reviews_use(real):
    table, world = real
    said = {w for text in (*table.title, *table.body) for w in shop_words.split(text)}
    nouns = {shop_words.noun(name) for name in world.items.category_names}
    for q, text in enumerate(world.queries.text):
        noun = shop_words.noun(world.items.category_names[world.queries.category[q]])
        word = text.removesuffix(noun).strip()
        assert text.endswith(noun) and noun in nouns
        if word:
            assert word in said
            concept = list(shop_words.CONCEPTS.values())[world.queries.attribute[q] - 1]
            assert word in concept.split()
        else:
            assert world.queries.attribute[q] == 0
    assert len(set(world.queries.text)) == 400


def test_query_frequency_is_zipf(real):
    frequency = real[1].queries.frequency
    assert frequency.sum().item() == pytest.approx(1)
    rank = torch.arange(1, 401, dtype=torch.float64)
    slope = (frequency.log().diff() / rank.log().diff()).tolist()
    assert min(slope) == pytest.approx(-0.9) and max(slope) == pytest.approx(-0.9)


def test_intents_and_ages_share_the_traffic_equally(real):
    """The signs of the third-order term need it: no sign may be more frequent than its opposite."""
    world = real[1]
    share = torch.zeros(4, dtype=torch.float64).index_add(
        0, world.queries.intent, world.queries.frequency
    )
    assert (share - 0.25).abs().max() < 0.002
    age = torch.zeros(6, dtype=torch.float64).index_add(0, world.users.age, world.users.activity)
    assert age.tolist() == pytest.approx([1 / 6] * 6, abs=1e-12)


def test_related_queries_share_class_or_wish():
    queries = small().queries
    for q, others in enumerate(queries.related.tolist()):
        assert q not in others and len(set(others)) == len(others) == 6
        alike = (queries.category == queries.category[q]) | (
            queries.attribute == queries.attribute[q]
        )
        assert alike[others].sum() == min(6, alike.sum() - 1)  # others only when these run out
        same = queries.category == queries.category[q]
        assert same[others].sum() == min(6, same.sum() - 1)  # the class before the wish


# Fields -------------------------------------------------------------------------------------------


def test_ids_one_by_one():
    world = small()
    user, query, item = some_ids(world)
    ids = world.ids(user, query, item)
    assert ids.shape == (300, len(world.fields)) and ids.dtype == torch.int64
    assert (ids >= 0).all() and (ids < world.sizes).all()
    for u, q, i, row in zip(
        user.tolist(), query.tolist(), item.tolist(), ids.tolist(), strict=True
    ):
        who, what, which = world.users, world.queries, world.items
        words = set(what.text[q].split()) & set(which.text[i].split())
        expected = {
            "user": u,
            "age": who.age[u],
            "device": who.device[u],
            "city": who.city[u],
            "query": q,
            "query_category": what.category[q],
            "attribute": what.attribute[q],
            "intent": what.intent[q],
            "item": i,
            "category": which.category[i],
            "brand": which.brand[i],
            "price_band": which.price_band[i],
            "match": len(words),
        }
        assert dict(zip(world.fields, row, strict=True)) == {k: int(v) for k, v in expected.items()}


def test_match_counts_whole_words_once():
    items = ["stop sign", "top red top", "a red striped top for me"]
    found = shop_words.match(items, ["top", "red top", "red top red", "me for a red top", "blue"])
    expected = [[0, 1, 1], [0, 2, 2], [0, 2, 2], [0, 2, 3], [0, 0, 0]]  # 3 is the most
    assert found.tolist() == expected


def test_ids_of_lists_broadcast():
    world = small()
    user, query, item = some_ids(world, 12)
    wide = world.ids(user[:, None], query[:, None], item.view(1, 12))
    assert wide.shape == (12, 12, len(world.fields))
    assert torch.equal(wide[3, 5], world.ids(user[3], query[3], item[5]))


# The planted truth --------------------------------------------------------------------------------


def logit_by_hand(world, u, q, i, day):
    """The sum of all effects in plain Python numbers, from the tables."""
    t, who, what, which = world.truth, world.users, world.queries, world.items
    of = {"age": who.age[u], "device": who.device[u], "city": who.city[u], "user": u, "query": q}
    of |= {"attribute": what.attribute[q], "intent": what.intent[q], "item": i}
    of |= {"brand": which.brand[i], "category": which.category[i]}
    of |= {"price_band": which.price_band[i]}
    first = [t.first[f][of[f]].item() for f in of if f in t.first]
    pairs = [table[of[f], of[g]].item() for (f, g), table in t.pairs.items()]
    triple = t.triple[of["age"], of["intent"], of["price_band"]].item()
    grade = {0: -1.6, 1: -0.5, 2: 0.3, 3: 0.9}[world.relevance(q, i).item()]
    taste = sum(a * b for a, b in zip(who.taste[u].tolist(), t.style[i].tolist(), strict=True))
    phase = t.season[of["category"]].item()
    season = math.sin(2 * math.pi * day / 14 + phase) - math.sin(phase)
    drift = t.trend[of["brand"]].item() * day + t.swing * season
    return t.intercept + sum(first) + sum(pairs) + triple + grade + 0.35 / 3**0.5 * taste + drift


def test_logit_one_by_one():
    world = small()
    user, query, item = some_ids(world)
    day = torch.randint(0, 30, (300,), generator=generator(9))
    found = world.logit(user, query, item, day)
    assert found.dtype == torch.float64
    rows = zip(user.tolist(), query.tolist(), item.tolist(), day.tolist(), strict=True)
    assert found.tolist() == pytest.approx([logit_by_hand(world, *row) for row in rows], abs=1e-12)
    odds = found.exp()
    torch.testing.assert_close(world.attraction(user, query, item, day), odds / (1 + odds))


def test_third_order_term_hides_from_all_lower_orders():
    """Averaged over any one of its three fields, whatever the other two are, it is 0."""
    world = small()
    cube = world.truth.triple
    assert cube.shape == (6, 4, 4) and torch.equal(cube.abs(), torch.full_like(cube, 1.2))
    for axis in range(3):
        assert (cube.sum(axis) == 0).all()
    # So least squares on all pairs of values explains nothing of it, and all three fields do.
    a, i, p = torch.cartesian_prod(*map(torch.arange, cube.shape)).T
    hot = [torch.nn.functional.one_hot(x).double() for x in (a * 4 + i, a * 4 + p, i * 4 + p)]
    design = torch.cat(hot, 1)
    fit = torch.linalg.lstsq(design, cube.flatten()[:, None], driver="gelsd").solution
    assert (design @ fit).abs().max() < 1e-12


def test_pairwise_terms_are_of_rank_three_and_nothing_else():
    """Their rows and columns have mean 0, so no first-order effect hides in them."""
    truth = small().truth
    assert set(truth.pairs) == set(shop_truth.PAIRS)
    for pair, table in truth.pairs.items():
        for axis in (0, 1):
            assert table.mean(axis).abs().max() < 1e-12
        assert torch.linalg.matrix_rank(table) <= 3
        assert table.std().item() == pytest.approx(shop_truth.PAIRS[pair])


@pytest.mark.parametrize(("option", "part"), [("pairwise",) * 2, ("triple",) * 2, ("drift",) * 2])
def test_a_piece_can_be_scaled_and_the_others_stay(option, part):
    worlds = [small(**{option: x}) for x in (0.0, 1.0, 2.0)]
    user, query, item = some_ids(worlds[0])
    none, one, two = (w.parts(user, query, item, 3) for w in worlds)
    assert (none[part] == 0).all() and one[part].std() > 0.01
    torch.testing.assert_close(two[part], 2 * one[part])
    for other in {"pairwise", "triple", "relevance", "taste", "drift"} - {part}:
        torch.testing.assert_close(one[other], two[other])
    shift = two["first"] - one["first"]
    assert (shift - shift[0]).abs().max() < 1e-12  # only the intercept


def test_day_zero_has_no_drift_and_later_days_do():
    world = small()
    user, query, item = some_ids(world)
    assert (world.parts(user, query, item)["drift"] == 0).all()
    assert world.parts(user, query, item, 7)["drift"].std() > 0.05


# Reproducible -------------------------------------------------------------------------------------


def test_a_world_is_a_function_of_its_seed():
    torch.manual_seed(1)
    before = torch.get_rng_state()
    one, two, other = (
        shop.Shop(reviews(), seed=s, n_users=60, n_queries=24, n_candidates=12) for s in (3, 3, 4)
    )
    assert torch.equal(torch.get_rng_state(), before)  # the global generator was not used
    ids = some_ids(one)
    assert torch.equal(one.logit(*ids, 5), two.logit(*ids, 5))
    assert torch.equal(one.candidates, two.candidates)
    assert not torch.equal(one.logit(*ids, 5), other.logit(*ids, 5))


def test_the_same_shop_on_a_device():
    world = small()
    ids = some_ids(world)
    there = world.to("cpu")
    assert there is not world and torch.equal(there.logit(*ids), world.logit(*ids))
    away = world.to("meta")
    assert all(getattr(away.items, n).is_meta for n in ("brand", "price", "level"))
    assert all(table.is_meta for table in (*away.truth.pairs.values(), away.candidates, away.match))


# Bad input ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"n_userz": 3}, "expected options among"),
        ({"n_users": 0}, "n_users must be a whole number of at least 1, got 0"),
        ({"n_brands": 2.5}, "n_brands must be a whole"),
        ({"n_positions": True}, "n_positions must be a whole"),
        ({"n_candidates": 3}, "n_candidates must be at least n_positions"),
        ({"n_candidates": 49}, "at most the 48 items, got 49"),
        ({"n_queries": 3}, r"n_queries must be in 4 .. \d+, got 3"),
        ({"n_queries": 10_000}, "n_queries must be in 4"),
        ({"trust": 1.0}, r"trust must be in \[0, 1\)"),
        ({"typo": -0.1}, "typo must be"),
        ({"cold": math.nan}, "cold must be"),
        ({"pairwise": math.inf}, "pairwise must be finite"),
        ({"context": -1.0}, "context must be"),
        ({"rate": 0.0}, r"rate must be in \(0, .3\)"),
        ({"seed": -1}, "seed must be a whole number of at least 0"),
    ],
)
def test_bad_options(options, said):
    with pytest.raises(ValueError, match=said):
        small(**options)


def test_bad_reviews():
    good = vars(reviews())
    for change in (
        {"title": good["title"][:-1]},
        {"item": good["item"].double()},
        {"item": good["item"][None]},
        {name: column[:0] for name, column in good.items()},
    ):
        with pytest.raises(ValueError, match="reviews must"):
            shop.Shop(SimpleNamespace(**good | change))


@given(
    st.sampled_from(["user", "query", "item", "day"]),
    st.sampled_from(["low", "high", "float", "bool", "shape"]),
)
def test_bad_ids(name, how):
    world = small()
    given = {n: torch.zeros(4, dtype=torch.long) for n in ("user", "query", "item", "day")}
    broken = {
        "low": torch.tensor([0, 0, -1, 0]),
        "high": torch.tensor([0, 10_000, 0, 0]),
        "float": torch.zeros(4),
        "bool": torch.zeros(4, dtype=torch.bool),
        "shape": torch.zeros(3, dtype=torch.long),
    }[how]
    with pytest.raises(ValueError, match="shapes that broadcast" if how == "shape" else name):
        world.logit(**given | {name: broken})


def test_one_letter_wrong():
    """A key beside the right one, a letter left out, or two swapped, in the longest word."""
    kinds = {0: 0, 1: 0, 2: 0, 3: 0}
    for typo in range(400):
        found = shop_words.mistype("soft sweater", typo)
        kinds[typo & 3] += found != "soft sweater"
        if found == "soft sweater":
            continue
        soft, word = found.split()
        assert soft == "soft" and word[0] == "s"
        if typo & 3 == 1:
            (at,) = [j for j in range(7) if word[j] != "sweater"[j]]
            assert word[at] in shop_words.NEAR["sweater"[at]] and len(word) == 7
        elif typo & 3 == 2:
            assert word in {"sweater"[:j] + "sweater"[j + 1 :] for j in range(7)}
        else:
            swaps = [
                "sweater"[:j] + "sweater"[j + 1] + "sweater"[j] + "sweater"[j + 2 :]
                for j in range(6)
            ]
            assert word in swaps
    assert kinds[0] == 0 and all(kinds[k] > 90 for k in (1, 2, 3))
    assert shop_words.mistype("top", 5) == "top"  # too short to be recognised afterwards


def test_keys_beside_each_other():
    """On a keyboard of three rows, each shifted by half a key or so, neighbours are mutual."""
    rows = ["qwertyuiop", "asdfghjkl", "zxcvbnm"]
    place = {
        c: (r, x + 0.25 * r + 0.25 * (r == 2))
        for r, row in enumerate(rows)
        for x, c in enumerate(row)
    }
    for c, near in shop_words.NEAR.items():
        assert set(near) <= set(place) - {c}
        for d in near:
            assert c in shop_words.NEAR[d], (c, d)
            (r, x), (s, y) = place[c], place[d]
            assert abs(r - s) <= 1 and abs(x - y) <= 1.01, (c, d)
    assert statistics.mean(map(len, shop_words.NEAR.values())) > 4


def test_n_intents_is_what_the_truth_needs():
    assert shop_catalogue.N_INTENTS % 2 == shop_catalogue.N_BANDS % 2 == 0
