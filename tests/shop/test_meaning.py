"""What the shop's simulated numbers mean: each law, strength and share."""

import inspect
import itertools
import math
from collections import Counter
from types import SimpleNamespace

import pytest
import torch
from small_shop import SMALL, generator, reviews, small

from helpers import shop
from helpers.shop import catalogue, checks, clicks, people, policy, serve, simulator, truth, words
from helpers.shop import log as shop_log
from helpers.shop import score as shop_score

F64 = torch.float64


def off(sample, mean, std):
    """By how many standard errors the sample's mean and spread (of a normal law) are off."""
    root = math.sqrt(sample.numel())
    spread = (sample - mean).square().mean().sqrt() / std
    return max(abs((sample.mean() - mean) / std) * root, abs(spread - 1) * root * math.sqrt(2))


def shares_off(ids, share):
    """The largest deviation of counts from their shares (n,), in standard errors."""
    n = len(ids)
    counts = ids.bincount(minlength=len(share))
    assert len(counts) == len(share)
    return ((counts - n * share) / (n * share * (1 - share)).sqrt()).abs().max()


def table(rows):
    """Reviews from (item, title, body, class, department)."""
    item, title, body, class_name, department = zip(*rows, strict=True)
    return SimpleNamespace(
        item=torch.tensor(item),
        title=title,
        body=body,
        class_name=class_name,
        department=department,
    )


# Words --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["lace", "lovely", "sweater"])
def test_an_error_falls_on_every_letter_but_the_ends_and_on_every_key(text):
    """From four letters on; where it falls and what it becomes have nothing to do with another."""
    seen = Counter(words.mistype(text, 4 * draw + 1) for draw in range(40 * (len(text) - 2)))
    inner = range(1, len(text) - 1)
    expected = {text[:at] + key + text[at + 1 :] for at in inner for key in words.NEAR[text[at]]}
    assert set(seen) == expected
    left_out = {words.mistype(text, 4 * draw + 2) for draw in range(20)}
    assert left_out == {text[:at] + text[at + 1 :] for at in inner}
    swapped = {words.mistype(text, 4 * draw + 3) for draw in range(20)}
    assert swapped == {text[:at] + text[at + 1] + text[at] + text[at + 2 :] for at in inner}


def test_only_the_first_of_the_longest_words_is_mistyped():
    assert words.mistype("sweater sweater", 2) == "seater sweater"
    assert words.mistype("dress coat", 2) == "dess coat"
    assert words.mistype("coat dress", 2) == "coat dess"
    assert [words.mistype("", typo) for typo in range(4)] == [""] * 4


def test_a_word_speaks_of_one_attribute():
    said = [w for concept in words.CONCEPTS.values() for w in concept.split()]
    assert len(said) == len(set(said)) and len(words.CONCEPTS) == 24
    assert all(words.split(w) == [w] and w not in words.STOP for w in said)


# Catalogue ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def many():
    """A catalogue of 1500 items, with a third of them new."""
    made = catalogue.items(reviews(1500, 800), n_brands=7, cold=0.3, generator=generator(1))
    return made[0]


def test_new_items_are_as_many_as_said_and_come_on_days_1_to_27(many):
    new = many.launch > 0
    assert abs(new.sum() - 450) < 5 * math.sqrt(1500 * 0.3 * 0.7)
    assert shares_off(many.launch[new] - 1, torch.full((27,), 1 / 27)) < 5


def test_brands_are_the_smaller_the_later(many):
    size = torch.arange(1, 8).double() ** -0.5
    assert shares_off(many.brand, size / size.sum()) < 5


def test_quality_leans_on_popularity(many):
    log = many.popularity.log()
    popular = (log - log.mean()) / log.std()
    assert off(many.quality - 0.6 * popular, 0.0, 0.8) < 5
    assert abs(many.quality.std() - 1) < 5 / math.sqrt(2 * 1500)


def test_prices_scatter_about_their_class_and_classes_about_forty_euros():
    category = torch.arange(1000).repeat_interleave(20)
    price, _ = catalogue._prices(category, generator(2))
    log = price.log().view(1000, 20)
    within = log - log.mean(1, keepdim=True)
    assert off(within * math.sqrt(20 / 19), 0.0, 0.5) < 5
    assert off(log.mean(1), 3.7, math.sqrt(0.4**2 + 0.5**2 / 20)) < 5
    cents = price * 100
    assert (cents - cents.round()).abs().max() < 1e-6 and price.dtype == F64


def test_price_bands_of_classes_of_any_size():
    """Cheapest first, as even as the number allows, the lower bands the larger ones."""
    sizes = [1, 2, 3, 4, 5, 8, 11]
    category = torch.arange(len(sizes)).repeat_interleave(torch.tensor(sizes))
    price, band = catalogue._prices(category, generator(3))
    for c, n in enumerate(sizes):
        mine = (category == c).nonzero()[:, 0]
        by_price = mine[price[mine].argsort()]
        assert band[by_price].tolist() == [place * 4 // n for place in range(n)]


def test_a_text_is_five_typical_words_then_five_wishes_then_the_noun():
    """Typical: often in its titles and rarely in others'; no stop words, none of two letters."""
    titles = [Counter(dict.fromkeys("of xy dress alpha beta gamma".split(), 9)), Counter()]
    titles[0].update({"delta": 2, "omega": 2, "sigma": 1})
    titles += [Counter({"alpha": 1, "sigma": 3}) for _ in range(4)]
    spoken = [Counter(), Counter(soft=1, lace=2, knit=3, long=4, mini=5, warm=6)]
    spoken += [Counter()] * 4
    made = catalogue._texts(titles, spoken, ["dress", "top", *["cami"] * 4])
    assert made[0] == "beta gamma delta omega alpha dress"  # alpha is in five of six titles
    assert made[1] == "warm mini long knit lace top"
    assert made[2] == "sigma alpha cami"


@pytest.mark.parametrize(("others", "first"), [(19, "warm"), (21, "lace")])
def test_a_wish_counts_by_its_share_of_all_who_speak_of_it_and_of_twenty_more(others, first):
    """Once of 1 is 1/21; twice of 21 is 2/41, which is more; twice of 23 is 2/43, less."""
    spoken = [Counter({"lace": 1, "warm": 2}), Counter({"warm": others})]
    made = catalogue._texts([Counter(), Counter()], spoken, ["top", "top"])
    assert made[0].split()[0] == first


def test_what_reviews_say_is_counted_by_reviews_not_by_words():
    """A body speaks for the text only as long as no review of the item has a title."""
    rows = [
        (4, "", "soft soft silky hem", "Knits", "Tops"),
        (4, "Blue soft soft", "warm hem", "Knits", "Tops"),
        (4, "Blue", "warm lace", None, None),
        (9, "", "lace hem hem", "Swim", "Intimate"),
    ]
    concept = {"soft": 2, "silky": 2, "warm": 9, "lace": 13}
    said = catalogue._read(table(rows), torch.tensor([0, 0, 0, 1]), 2, concept)
    assert said.titles == [Counter(blue=2, soft=2), Counter()]
    assert said.bodies == [Counter(soft=1, silky=1, hem=1), Counter(lace=1, hem=1)]
    assert said.spoken == [Counter(soft=2, silky=1, warm=2, lace=1), Counter(lace=1)]
    counted = {(i, a): n for i, row in enumerate(said.counts.tolist()) for a, n in enumerate(row)}
    assert {k: n for k, n in counted.items() if n} == {(0, 2): 2, (0, 9): 2, (0, 13): 1, (1, 13): 1}
    assert said.uses == {
        ("Knits", ""): 2,
        ("Knits", "soft"): 2,
        ("Knits", "silky"): 1,
        ("Knits", "warm"): 1,
        ("", ""): 1,
        ("", "warm"): 1,
        ("", "lace"): 1,
        ("Swim", ""): 1,
        ("Swim", "lace"): 1,
    }
    assert said.classes == [Counter({"Knits": 2, "": 1}), Counter(Swim=1)]
    assert said.departments == [Counter({"Tops": 2, "": 1}), Counter(Intimate=1)]


def test_levels_follow_the_evidence_and_the_noise():
    """Evidence: the log of a smoothed share over the usual share, and .3 for an item's own text."""
    counts = torch.tensor([[0, 3], [0, 0], [1, 1], [2, 0], [0, 9], [1, 0], [0, 2], [5, 0]] * 5)
    n = torch.tensor([4.0, 1.0, 2.0, 9.0, 12.0, 3.0, 2.0, 8.0] * 5).double()
    text = ["soft top", "top", "silky soft top", "dress"] * 10
    drawn = catalogue._levels(counts.double(), n, text, {"soft": 1, "silky": 1}, generator(4))
    noise = torch.randn(40, 2, generator=generator(4), dtype=F64).tolist()
    for a in range(2):
        usual = (sum(counts[:, a].tolist()) + 1) / (sum(n.tolist()) + 1)
        evidence = []
        for i in range(40):
            share = (counts[i, a].item() + 5 * usual) / (n[i].item() + 5)
            own = 0.3 if a == 1 and "soft" in text[i] else 0.0
            evidence.append(math.log(share / usual) + own + 0.8 * noise[i][a])
        order = sorted(range(40), key=lambda i: -evidence[i])
        level = [2] * 5 + [1] * 8 + [0] * 27  # the top eighth; with the next fifth .325 of them
        assert [drawn[i, a].item() for i in order] == level


@pytest.mark.parametrize("column", ["title", "body", "class_name", "department"])
@pytest.mark.parametrize("change", [lambda c: c[:-1], lambda c: [*c, c[0]]], ids=["short", "long"])
def test_every_column_is_as_long_as_the_items(column, change):
    good = vars(reviews())
    with pytest.raises(ValueError, match="columns as long as item"):
        shop.Shop(SimpleNamespace(**good | {column: change(good[column])}), **SMALL)


# People and queries -------------------------------------------------------------------------------


def test_queries_are_what_the_reviews_of_a_class_say_most():
    """All classes, then the most used (wish, class); the most used first."""
    rows = reviews()
    used = Counter()
    for title, body, name in zip(rows.title, rows.body, rows.class_name, strict=True):
        said = set(words.split(title)) | set(words.split(body))
        wishes = {w for c in words.CONCEPTS.values() for w in c.split()} & said
        used.update((f"{w} {words.noun(name)}".strip(), w != "") for w in {"", *wishes})
    ranked = sorted(used, key=lambda q: (q[1], -used[q], q[0]))[:24]
    expected = sorted(ranked, key=lambda q: (-used[q], q[0]))
    assert small().queries.text == [text for text, _ in expected]


def test_nobody_asks_for_a_class_that_no_item_has_or_for_its_own_name_twice():
    """An item is of the class that most of its reviews name; "denim denim" is "denim"."""
    rows = [(1, "denim", "soft denim", "Denim", "Bottoms")] * 2
    rows += [(1, "denim", "soft", "Swim", "Intimate"), (2, "lace", "warm", "Knits", "Tops")]
    items, uses = catalogue.items(table(rows), n_brands=2, cold=0.0, generator=generator())
    assert items.category_names == ["Denim", "Knits"] and uses["Denim", "denim"] == 2
    made = people.queries(items, uses, 5, generator()).text
    assert made == ["denim", "soft denim", "lace top", "top", "warm top"]
    with pytest.raises(ValueError, match=r"n_queries must be in 2 .. 5, got 6"):
        people.queries(items, uses, 6, generator())


def test_a_query_may_become_every_other_where_there_are_few():
    queries = shop.Shop(reviews(), **SMALL | {"n_queries": 5}).queries
    assert [sorted(row) for row in queries.related.tolist()] == [
        [q for q in range(5) if q != mine] for mine in range(5)
    ]


def test_the_number_of_queries_is_between_the_classes_and_what_the_words_allow():
    items, uses = catalogue.items(reviews(), n_brands=5, cold=0.0, generator=generator())
    most = len(uses)  # four classes by their names, and with each wish that was used
    for n in (4, most):
        assert len(people.queries(items, uses, n, generator()).text) == n
    for n in (3, most + 1):
        with pytest.raises(ValueError, match=f"n_queries must be in 4 .. {most}, got {n}"):
            people.queries(items, uses, n, generator())


def test_intents_and_reformulations_depend_on_the_generator():
    items, uses = catalogue.items(reviews(), n_brands=5, cold=0.0, generator=generator())
    one, two = (people.queries(items, uses, 30, generator(seed)) for seed in (1, 2))
    assert one.text == two.text
    assert one.intent.tolist() != two.intent.tolist()
    assert one.related.tolist() != two.related.tolist()


@pytest.fixture(scope="module")
def crowd():
    return people.users(24_000, small().queries, 4, 3, generator(5))


def test_people_are_drawn_as_stated(crowd):
    """Ages equal; devices .6, .3, .1; the larger cities first; favourites as often as asked for."""
    assert crowd.age.bincount().tolist() == [4000] * 6
    assert shares_off(crowd.device, torch.tensor([0.6, 0.3, 0.1])) < 5
    size = torch.arange(1, 21).double() ** -0.7
    assert shares_off(crowd.city, size / size.sum()) < 5
    queries = small().queries
    asked = torch.zeros(4, dtype=F64).index_add(0, queries.category, queries.frequency)
    assert shares_off(crowd.favourite, asked) < 5
    activity = crowd.activity.log()
    for age in range(6):  # the share of each age is the same, so their centres may differ
        mine = activity[crowd.age == age]
        assert abs(mine.std() - 1) < 5 / math.sqrt(2 * len(mine))
    assert off(crowd.taste, 0.0, 1.0) < 5
    assert crowd.taste.shape == (24_000, 3)
    assert (torch.corrcoef(crowd.taste.T) - torch.eye(3)).abs().max() < 5 / math.sqrt(24_000)
    assert small().users.taste.shape == (60, 3)


def test_nothing_about_a_person_says_anything_about_the_rest(crowd):
    columns = [crowd.age, crowd.device, crowd.city, crowd.activity.log(), crowd.favourite]
    found = torch.corrcoef(torch.stack([c.double() for c in columns]))
    off_diagonal = found[~torch.eye(5, dtype=torch.bool)]
    assert off_diagonal.abs().max() < 5 / math.sqrt(24_000)


# The planted truth --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def planted():
    """The truths of sixty worlds that differ in nothing else."""
    world = small()
    given = (world.items, world.users, world.queries)
    factors = {"n_brands": 5, "pairwise": 1.0, "triple": 1.0, "drift": 1.0}
    return [truth.plant(*given, **factors, generator=generator(seed)) for seed in range(60)]


STRENGTH = {"age": 0.2, "device": 0.2, "city": 0.2, "brand": 0.3, "category": 0.3}
STRENGTH |= {"price_band": 0.2, "attribute": 0.2, "user": 0.3, "query": 0.25}
PAIRS = {("age", "brand"): 0.5, ("city", "brand"): 0.5, ("age", "category"): 0.5}
PAIRS |= {("city", "category"): 0.35, ("device", "price_band"): 0.4, ("attribute", "brand"): 0.4}


@pytest.mark.parametrize("field", STRENGTH)
def test_first_order_effects_are_normal_and_as_strong_as_stated(planted, field):
    drawn = torch.stack([t.first[field] for t in planted])
    assert off(drawn, 0.0, STRENGTH[field]) < 5
    assert len({t.first[field][0].item() for t in planted}) == 60


def test_every_field_has_its_effects(planted):
    world = small()
    sizes = {"age": 6, "device": 3, "city": 20, "brand": 5, "category": 4, "price_band": 4}
    sizes |= {"attribute": 25, "user": 60, "query": 24, "item": 48}
    assert {f: len(table) for f, table in planted[0].first.items()} == sizes
    torch.testing.assert_close(planted[0].first["item"], 0.5 * world.items.quality)


@pytest.mark.parametrize("pair", PAIRS)
def test_pairs_of_fields_act_as_strongly_as_stated_in_three_directions(planted, pair):
    """Or in as many as the smaller field leaves, less the mean that was taken out."""
    assert set(planted[0].pairs) == set(PAIRS)
    sizes = [{"device": 3, "category": 4, "price_band": 4}.get(f, 5) for f in pair]
    for t in planted[:5]:
        assert t.pairs[pair].std().item() == pytest.approx(PAIRS[pair])
        assert torch.linalg.matrix_rank(t.pairs[pair]) == min(3, *(n - 1 for n in sizes))
    assert len({t.pairs[pair][0, 0].item() for t in planted}) == 60


def test_style_trends_and_seasons_are_drawn_as_stated(planted):
    style, season, trend = (torch.stack([getattr(t, n) for t in planted]) for n in NAMES)
    assert style.shape == (60, 48, 3) and season.shape == (60, 4) and trend.shape == (60, 5)
    assert off(style, 0.0, 1.0) < 5
    assert off(trend, 0.0, 0.03) < 5
    turns = season / (2 * math.pi)
    assert ((turns >= 0) & (turns < 1)).all()
    assert shares_off((turns.flatten() * 6).long(), torch.full((6,), 1 / 6)) < 5
    assert {t.swing for t in planted} == {0.25} and {t.intercept for t in planted} == {0.0}


NAMES = ("style", "season", "trend")


def test_signs_of_the_third_order_term_differ_from_world_to_world(planted):
    cubes = torch.stack([t.triple for t in planted]).sign()
    assert cubes.mean(0).abs().max() < 5 / math.sqrt(60)
    assert len({tuple(c.flatten().tolist()) for c in cubes}) > 50


def test_one_brand_alone_has_no_pairwise_effect():
    """Its table is 0 once the mean is gone, and 0 it stays: not 0 / 0."""
    world = shop.Shop(reviews(), **SMALL | {"n_brands": 1})
    assert (world.truth.pairs["age", "brand"] == 0).all()
    assert world.logit(torch.arange(24), torch.arange(24), torch.arange(24)).isfinite().all()


def test_only_the_wanted_summands_are_computed():
    world = small()
    ids = [torch.arange(5)] * 4
    given = (world.truth, world.users, world.queries, world.items, *ids)
    assert list(truth.parts(*given, wanted=["taste", "first"])) == ["taste", "first"]
    every = ["first", "pairwise", "triple", "relevance", "taste", "drift"]
    assert list(truth.parts(*given)) == every


# Clicks -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("own", "effect"), [(1.0, 0.5), (1e4, -0.5), (50.0, math.log(2) / 2)])
def test_a_bargain_counts_up_to_a_factor_e(own, effect):
    """Against the mean of the log prices above; of other brands and bands, so nothing tires."""
    price = torch.tensor([own, 50.0, 200.0], dtype=F64)
    different = torch.arange(3)
    above = torch.tensor([[1, 2, -1]])
    found = clicks.in_context(torch.tensor([0]), above, different, different, price, 3.0)
    assert found.tolist() == pytest.approx([3.0 * effect])


def test_each_item_above_tires_by_its_brand_and_band():
    price = torch.full((4,), 20.0, dtype=F64)
    brand, band = torch.tensor([0, 0, 0, 1]), torch.tensor([2, 2, 1, 2])
    above = torch.tensor([[1, 2, 3], [1, -1, -1], [2, -1, -1], [3, -1, -1], [-1, -1, -1]])
    found = clicks.in_context(torch.zeros(5).long(), above, brand, band, price, 2.0)
    assert found.tolist() == [-3.0, -1.5, -1.0, -0.5, 0.0]


# Serving ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cold", [0.0, 0.9])
def test_candidates_and_scores_by_their_definition(cold):
    """Recall leans on class, grade and popularity, production on grade, popularity and quality."""
    world = small(cold=0.3)
    items, queries = world.items, world.queries
    items = catalogue.Items(**vars(items) | {"launch": items.launch * (cold > 0)})
    if cold:  # only five can be shown on day 0: each query has the four that fit it best
        items.launch[:] = 9
        items.launch[::10] = 0
    relevance = world.truth.relevance
    found, scores = serve.candidates(items, queries, relevance, 12, 4, generator(6))
    noise = torch.randn(2, 24, 48, generator=generator(6), dtype=F64)
    log = torch.where(items.launch > 0, items.popularity.log().min(), items.popularity.log())
    popular = (log - log.mean()) / log.std()
    for q in range(24):
        same = (items.category == queries.category[q]).double()
        grade = relevance[q].double()
        fit = (2 * same + grade + 0.5 * popular + noise[0, q]).tolist()
        by_fit = sorted(range(48), key=lambda i: -fit[i])
        must = [i for i in by_fit if items.launch[i] == 0][:4]
        chosen = sorted([*must, *(i for i in by_fit if i not in must)][:12])
        assert found[q].tolist() == chosen
        expected = 0.7 * (grade - 1) + 0.3 * popular + 0.3 * items.quality + 0.6 * noise[1, q]
        assert scores[q].tolist() == pytest.approx(expected[chosen].tolist(), abs=1e-12)


def test_equally_popular_items_are_no_reason_for_a_score():
    equal = torch.full((48,), 1 / 48, dtype=F64)
    items = catalogue.Items(**vars(small(cold=0.0).items) | {"popularity": equal})
    queries = small(cold=0.0).queries
    _, scores = serve.candidates(items, queries, torch.ones(24, 48), 48, 4, generator(2))
    noise = torch.randn(2, 24, 48, generator=generator(2), dtype=F64)
    expected = 0.3 * items.quality + 0.6 * noise[1]
    torch.testing.assert_close(scores, expected, atol=1e-6, rtol=0)


@pytest.mark.parametrize("rows", [1, 3], ids=["first row", "a later row"])
@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_policy_s_scores_are_finite_in_every_row(rows, bad):
    def scores(user, query, items):
        found = torch.zeros(items.shape)
        found[rows - 1, -1] = bad
        return found

    user = torch.arange(3)
    with pytest.raises(ValueError, match="finite scores"):
        serve.scores_of(small(), scores)(user, user, user)


@pytest.mark.parametrize("cut", [(slice(None), slice(3)), (slice(2), slice(None))])
def test_a_policy_scores_every_candidate_of_every_request(cut):
    user = torch.arange(3)
    with pytest.raises(ValueError, match=r"must give scores \(3, 12\)"):
        serve.scores_of(small(), lambda u, q, i: i[cut].double())(user, user, user)


def test_scores_of_a_policy_are_as_it_gave_them_where_the_item_is_there():
    world = small(cold=0.4)
    user, day = torch.arange(24), torch.arange(24)
    given = {"production": world.production, "uniform": torch.zeros(24, 12)}
    given["own"] = torch.rand(24, 12, generator=generator(3))
    there = world.items.launch[world.candidates] <= day[:, None]
    for name, expected in given.items():
        asked = name if name != "own" else lambda user, query, items: given["own"]
        found = serve.scores_of(world, asked)(user, user, day)
        assert found.dtype == F64
        assert torch.equal(found, expected.double().masked_fill(~there, -torch.inf))


# Logs ---------------------------------------------------------------------------------------------


def rows_of(log, **columns):
    """A log of the first rows of another, with other columns."""
    n = len(next(iter(columns.values())))
    some = log.rows(torch.arange(n))
    return shop_log.Log(**vars(some) | {k: torch.tensor(v) for k, v in columns.items()})


def test_what_is_reported_on_a_day_is_known_at_its_end():
    log = rows_of(
        small().log(3),
        day=[3, 3, 4, 6],
        delay=[2.0, 2.5, 1.0, 0.0],
        purchase=[1.0] * 4,
    )
    seen = log.observed(5)
    assert seen.day.tolist() == [3, 3, 4]
    assert seen.purchase.tolist() == [1.0, 0.0, 1.0]
    assert seen.delay.tolist() == [2.0, math.inf, 1.0]


def test_a_session_has_as_many_requests_as_chances_say():
    """Who never clicks asks 1 + .4 + .4^2 + .4^3 times on average, and who always asks again, 4."""
    for again, expected in ((0.4, 1 + 0.4 + 0.16 + 0.064), (1.0, 4.0), (0.0, 1.0)):
        n_sessions = without_clicks(again).session[-1].item() + 1
        assert abs(4000 / n_sessions - expected) < 5 * 0.9 / math.sqrt(n_sessions)


def without_clicks(again):
    def opening(n):
        return (torch.arange(n),) * 2 + (torch.arange(n) // 100,)

    def shown(user, query, day):
        return {"item": user[:, None].int(), "click": torch.zeros(len(user), 1)} | {
            name: torch.zeros(len(user), 1) for name in ("propensity", "purchase", "delay")
        }

    related = torch.arange(10_000)[:, None]
    law = {"reformulate": again, "typo": 0.0, "texts": [], "generator": generator(8)}
    return shop_log.record(opening, shown, related, 4000, **law)


def test_sessions_of_all_blocks_have_numbers_of_their_own():
    log = without_clicks(0.0)
    assert log.session.tolist() == list(range(4000))
    assert (log.user.diff() != 0).all() or len(log.user.unique()) > 2000


def test_where_an_error_falls_is_drawn_from_all_there_is():
    """The draw above the two low bits is uniform: over letters and keys, whatever the kind."""
    log = small(typo=0.999).log(30_000, generator=generator(9))
    typo = log.typo[log.position == 0]
    assert (typo > 0).double().mean() > 0.99
    typo = typo[typo > 0]
    for n in (5, 7, 30):
        assert shares_off((typo >> 2) % n, torch.full((n,), 1 / n)) < 5
    assert (typo >> 2).max() > 20_000


# Defaults -----------------------------------------------------------------------------------------


def test_day_0_is_the_day_unless_told_otherwise():
    world = small(cold=0.4)
    ids = [torch.arange(24)] * 3
    lists = world.candidates[:, :4]
    calls = {
        "logit": ids,
        "attraction": ids,
        "p_click": [*ids, 0],
        "best": ids[:2],
        "p_list": [*ids[:2], lists],
    }
    for name, given in calls.items():
        ask = getattr(world, name)
        assert torch.equal(ask(*given), ask(*given, day=0)), name
        assert not torch.equal(ask(*given), ask(*given, day=7)), name
    for of_day, same in ((0, True), (7, False)):
        value = world.value(lists, *ids[:2], day=of_day).clicks
        assert torch.equal(world.value(lists, *ids[:2]).clicks, value) is same
        drift = world.parts(*ids, day=of_day)["drift"]
        assert torch.equal(world.parts(*ids)["drift"], drift) is same
        found = world.policy_value("uniform", 50, generator=generator(), day=of_day)
        assert (found == world.policy_value("uniform", 50, generator=generator())) is same


def test_a_log_is_of_a_week_from_day_0_by_the_production_policy_unless_told_otherwise():
    world = small()
    plain = world.log(400, generator=generator(3))
    told = world.log(400, generator=generator(3), days=7, first_day=0, policy="production")
    assert all(torch.equal(c, told.columns()[name]) for name, c in plain.columns().items())
    assert plain.day.unique().tolist() == list(range(7))
    other = world.log(400, generator=generator(3), policy="uniform")
    assert not torch.equal(plain.item, other.item)


def test_ten_thousand_requests_value_a_policy_unless_told_otherwise():
    world = small()
    told = world.policy_value("uniform", 10_000, generator=generator(1))
    assert world.policy_value("uniform", generator=generator(1)) == told
    assert world.policy_value("uniform", 2, generator=generator(1)) != told


def test_the_best_list_has_as_many_slots_as_wanted():
    world = small()
    ids = torch.arange(24)
    every = world.best(ids, ids)
    assert every.shape == (24, 4)
    for k in (1, 3, 4, 12):
        assert torch.equal(world.best(ids, ids, k=k)[:, :4], every[:, :k])


def test_seed_0_is_the_seed_unless_told_otherwise():
    assert inspect.signature(shop.Shop).parameters["seed"].default == 0
    other = shop.Shop(reviews(), seed=0, **SMALL)
    ids = [torch.arange(24)] * 3
    assert torch.equal(small().logit(*ids), other.logit(*ids))


def test_every_stage_of_every_seed_has_a_generator_of_its_own(monkeypatch):
    """So that a change of one does not move the others, and none is what people give their logs."""
    seeds = []
    stages = ((catalogue, "items"), (people, "queries"), (people, "users"), (truth, "plant"))
    for module, name in (*stages, (serve, "candidates"), (serve, "intercept")):
        real = getattr(module, name)

        def spy(*given, real=real, **named):
            (own,) = [x for x in (*given, *named.values()) if isinstance(x, torch.Generator)]
            seeds.append(own.initial_seed())
            return real(*given, **named)

        monkeypatch.setattr(module, name, spy)
    for seed in (0, 1, 9_000_000):
        shop.Shop(reviews(), seed=seed, **SMALL)
    assert len(seeds) == len(set(seeds)) == 18
    assert min(seeds) > 1_000_000 and max(seeds) < 1 << 32  # only 32 bits count


# Scores of the truth ------------------------------------------------------------------------------


@pytest.mark.parametrize("click", [[0.0, 0.0, 0.0], [1.0, 1.0, 1.0]])
def test_labels_of_one_kind_alone_have_no_area_under_the_curve(click):
    found = shop_score.bayes(torch.tensor([0.2, 0.3, 0.9]), torch.tensor(click))
    assert math.isnan(found.drawn_auc) and 0.5 < found.auc < 1


def test_scores_are_computed_in_double_precision():
    p = torch.tensor([1e-9, 0.3, 1 - 2**-20], dtype=torch.float32)
    click = torch.tensor([0, 1, 1], dtype=torch.int64)
    assert shop_score.bayes(p, click) == shop_score.bayes(p.double(), click.double())


# Refusals -----------------------------------------------------------------------------------------

BOUNDS = [(name, -0.01, 1.0, (0.0, 0.999)) for name in ("trust", "cold", "reformulate", "typo")]
BOUNDS += [(n, -0.01, math.inf, (0.0, 50.0)) for n in ("pairwise", "triple", "drift", "context")]
BOUNDS += [("rate", 0.0, 0.3, (0.001, 0.299))]


@pytest.mark.parametrize(("name", "low", "high", "good"), BOUNDS)
def test_options_at_the_ends_of_their_range(name, low, high, good):
    for value in (low, high, math.nan):
        with pytest.raises(ValueError, match=f"^{name} must be"):
            checks.options(**simulator.OPTIONS | {name: value})
    for value in good:
        checks.options(**simulator.OPTIONS | {name: value})


@pytest.mark.parametrize(
    "name", ["n_users", "n_brands", "n_positions", "n_queries", "n_candidates"]
)
def test_numbers_of_things_are_whole_and_positive(name):
    for value in (0, -1, 2.5, True):
        with pytest.raises(ValueError, match=f"^{name} must be a whole number"):
            checks.options(**simulator.OPTIONS | {name: value})
    checks.options(**simulator.OPTIONS | {"n_users": 1, "n_brands": 1, "n_queries": 1})
    checks.options(**simulator.OPTIONS | {"n_candidates": 10, "n_positions": 10})
    with pytest.raises(ValueError, match="n_candidates must be at least n_positions = 10, got 9"):
        checks.options(**simulator.OPTIONS | {"n_candidates": 9})


def test_all_items_may_be_candidates():
    assert shop.Shop(reviews(), **SMALL | {"n_candidates": 48}).candidates.shape == (24, 48)


@pytest.mark.parametrize("row", [0, 3])
@pytest.mark.parametrize(
    ("name", "limit"), [("user", 60), ("query", 24), ("item", 48), ("position", 4), ("day", 10_000)]
)
def test_ids_reach_from_0_to_their_number_less_1_in_every_row(name, limit, row):
    world = small()
    good = dict.fromkeys(("user", "query", "item", "position", "day"), torch.zeros(4).long())
    for value in (0, limit - 1):
        column = torch.zeros(4).long()
        column[row] = value
        assert world.p_click(**good | {name: column}).shape == (4,)
    for value in (-1, limit):
        column = torch.zeros(4).long()
        column[row] = value
        with pytest.raises(ValueError, match=f"^{name} must be in 0 .. {limit - 1}"):
            world.p_click(**good | {name: column})


@pytest.mark.parametrize("kind", [torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64])
def test_ids_of_any_whole_kind_mean_the_same(kind):
    world = small()
    ids = [torch.arange(4, dtype=kind)] * 3
    assert torch.equal(world.logit(*ids), world.logit(*[torch.arange(4)] * 3))
    assert all(x.dtype == torch.int64 for x in world.checked(user=ids[0], item=ids[1]))
    assert world.relevance(ids[0], ids[1]).dtype == torch.int64


ROWS = list(itertools.product([0, 1], [math.nan, math.inf]))


@pytest.mark.parametrize(("row", "bad"), ROWS)
def test_propensities_of_bad_scores_are_refused_in_every_row(row, bad):
    scores = torch.zeros(2, 3)
    scores[row, 2] = bad
    with pytest.raises(ValueError, match="scores must be finite"):
        policy.propensity(scores, torch.tensor([[0, 1], [1, 0]]))


def test_propensities_need_as_many_candidates_as_slots():
    shown = torch.tensor([[0, 1, 2], [0, 1, 2]])
    hidden = torch.tensor([[0.0, 1.0, 2.0], [0.0, 1.0, -math.inf]])
    with pytest.raises(ValueError, match=r"k must be in 1 .. 2, .* got 3"):
        policy.propensity(hidden, shown)
    assert policy.propensity(hidden, shown[:, :2]).dtype == F64
    assert policy.propensity(hidden, shown[:, :2]).shape == (2, 2)


@pytest.mark.parametrize("at", [0, 1])
def test_context_refuses_a_bad_row_wherever_it_is(at):
    world = small(context=1.0)
    item = world.candidates[0, :2]
    position = torch.tensor([1, 1])
    for value, said in ((48, "of the catalogue, 0 .. 47"), (-1, "as many items")):
        above = torch.tensor([[7], [7]])
        above[at] = value
        with pytest.raises(ValueError, match=said):
            world.p_click(0, 0, item, position, 0, above)
    above = torch.tensor([[47], [0]])
    assert world.p_click(0, 0, item, position, 0, above).shape == (2,)
    with pytest.raises(ValueError, match=r"above must have shape \(2, 'L'\)"):
        world.p_click(0, 0, item, position, 0, above[:1])


def test_a_list_of_one_slot_and_of_all_slots_has_a_value():
    world = small()
    ids = torch.arange(24)
    for n in (1, 4):
        assert world.value(world.candidates[:, :n], ids, ids).clicks.shape == (24,)
    twice = world.candidates[:, :4].clone()
    twice[-1, 3] = twice[-1, 0]  # in the last row alone, and not side by side
    with pytest.raises(ValueError, match="at most once"):
        world.value(twice, ids, ids)
