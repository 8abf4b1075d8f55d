// A search engine over a few hundred documents: BM25, cosines, and their fusion by places.
// The dataset says what is shown: position (how many), query, k1, b, share, ids, words, vectors, fused (one a result).

const FUSION = 60, LISTED = 100, SHOWN = 10;

enliven("search", (figure, live, meta, arrays) => {
  const texts = new TextDecoder().decode(Uint8Array.from(arrays[meta.text].data)).split("\n");
  const letter = `(?:(?![${meta.han}])[\\p{L}\\p{N}])`, han = new RegExp(`^[${meta.han}]`, "u");
  const run = new RegExp(`[${meta.han}]+|${letter}+(?:'${letter}+)*`, "gu");
  const normal = (text) => text.normalize("NFKC").toLowerCase().replaceAll("\u00df", "ss")
    .replaceAll("\u2019", "'");
  const tokenize = (text) => (normal(text).match(run) || []).flatMap((word) => {
    if (!han.test(word)) return [word];
    const signs = [...word];
    return [...signs, ...signs.slice(1).map((sign, i) => signs[i] + sign)];
  });

  // ---- the index -------------------------------------------------------------------------------
  const documents = [], index = new Map(), held = [];
  for (let i = 0; i < texts.length; i += 2) {
    const words = tokenize(`${texts[i]} ${texts[i + 1]}`), counts = new Map();
    for (const word of words) {
      if (!index.has(word)) index.set(word, index.size);
      const v = index.get(word);
      counts.set(v, (counts.get(v) || 0) + 1);
    }
    for (const v of counts.keys()) held[v] = (held[v] || 0) + 1;
    documents.push({ title: texts[i], body: texts[i + 1], length: words.length, counts });
  }
  for (const word of meta.extra) index.set(word, index.size);
  const n = documents.length, mean = documents.reduce((a, d) => a + d.length, 0) / n;
  const codes = arrays[meta.vectors].data, wide = codes.length / index.size;
  const vector = (counts) => {
    const sum = new Array(wide).fill(0);
    for (const [v, c] of counts)
      for (let j = 0; j < wide; j++)
        sum[j] += (1 + Math.log(c)) * (codes[v * wide + j] - 128) * meta.step;
    const size = Math.hypot(...sum) || 1;
    return sum.map((x) => x / size);
  };
  for (const d of documents) d.vector = vector(d.counts);

  // ---- scores ----------------------------------------------------------------------------------
  const state = { query: meta.query, k1: meta.k1, b: meta.b, share: meta.share };
  const search = () => {
    const { k1, b, share } = state, counts = new Map();
    const known = tokenize(state.query).filter((word) => index.has(word)).map((w) => index.get(w));
    for (const v of known) counts.set(v, (counts.get(v) || 0) + 1);
    const mine = vector(counts);
    const words = documents.map(({ counts: own, length }) => known.reduce((total, v) => {
      const c = own.get(v) || 0, idf = Math.log(1 + (n - held[v] + 0.5) / (held[v] + 0.5));
      return total + (c ? idf * c / (c + k1 * (1 - b + b * length / mean)) : 0);
    }, 0));
    const vectors = documents.map((d) => mine.reduce((total, x, j) => total + x * d.vector[j], 0));
    const fused = new Map(), places = [words, vectors].map((scores, r) => {
      const order = scores.map((_, i) => i).filter((i) => scores[i] > 0)
        .sort((i, j) => scores[j] - scores[i] || i - j).slice(0, LISTED);
      const weight = r ? share : 1 - share;
      order.forEach((i, place) =>
        fused.set(i, (fused.get(i) || 0) + weight / (FUSION + place + 1)));
      return new Map(order.map((i, place) => [i, place + 1]));
    });
    const ids = [...fused.keys()].filter((i) => fused.get(i) > 0)
      .sort((i, j) => fused.get(j) - fused.get(i)).slice(0, SHOWN);
    return { ids, words, vectors, fused, places, known: new Set(known) };
  };

  // ---- what is seen ----------------------------------------------------------------------------
  const marked = (text, known) => {
    const parts = [];
    let at = 0;
    for (const found of text.matchAll(/[\p{L}\p{N}'\u2019]+/gu)) {
      const hit = tokenize(found[0]).some((word) => known.has(index.get(word)));
      if (!hit) continue;
      parts.push(text.slice(at, found.index), make("mark", {}, found[0]));
      at = found.index + found[0].length;
    }
    return [...parts, text.slice(at)];
  };
  const bar = (kind, value, most, text) => make("span", { class: `fr-bar fr-${kind}` },
    make("span", { class: "fr-fill", style: `width:${(100 * Math.max(value, 0) / most).toFixed(1)}%` }),
    make("span", { class: "fr-value" }, text));
  let before = new Map(), last = [];
  const show = (settled = false) => {
    const { ids, words, vectors, fused, places, known } = search();
    const most = Math.max(...words, 1e-9);
    // Moves are told until the next change: drawing the same list again tells the same.
    if (ids.join() !== last.join()) {
      before = new Map(last.map((i, place) => [i, place]));
      last = ids;
    }
    list.replaceChildren(...ids.map((i, place) => {
      const old = before.get(i), moved = old === undefined ? "new" : old - place;
      const sign = moved === "new" ? "new" : moved > 0 ? `\u25b2${moved}`
        : moved < 0 ? `\u25bc${-moved}` : "";
      const ranks = places.map((map) => (map.has(i) ? `#${map.get(i)}` : "\u2013"));
      return make("li", {},
        make("div", { class: "fr-hit" }, make("b", {}, ...marked(documents[i].title, known)),
          make("span", { class: "fr-moved" }, before.size ? sign : ""),
          make("p", {}, ...marked(documents[i].body, known))),
        make("div", { class: "fr-why" },
          bar("words", words[i], most, `words ${number2(words[i])} ${ranks[0]}`),
          bar("vectors", vectors[i], 1, `vectors ${number2(vectors[i])} ${ranks[1]}`)));
    }));
    none.hidden = ids.length > 0;
    for (const [name, it] of Object.entries(sliders)) {
      setRange(it.range, Math.round(state[name] / it.step), Math.round(it.most / it.step),
        number2(state[name]));
      it.text.textContent = number2(state[name]);
    }
    if (box.value !== state.query) box.value = state.query;
    status.setAttribute("aria-live", settled ? "polite" : "off");
    status.textContent = ids.length
      ? `${ids.length} results for \u201c${state.query}\u201d; first: ${documents[ids[0]].title}`
      : `No result for \u201c${state.query}\u201d`;
    const told = (values) => ids.map((i) => values(i).toPrecision(9)).join(" ");
    Object.assign(figure.dataset, { ...state, position: ids.length, ids: ids.join(" "), words: told((i) => words[i]),
      vectors: told((i) => vectors[i]), fused: told((i) => fused.get(i)) });
  };
  const number2 = (value) => number(value, 2);

  // ---- controls --------------------------------------------------------------------------------
  const box = make("input", { type: "search", class: "fr-query", "aria-label": "query",
    value: state.query, autocomplete: "off", spellcheck: "false",
    oninput: () => { state.query = box.value; show(); }, onchange: () => show(true) });
  const offers = meta.offers.map((text) =>
    toggle(text, () => { state.query = text; show(true); }));
  const slider = (name, label, most, step) => {
    const it = { most, step, text: make("span", { class: "fr-readout", "aria-hidden": true }) };
    it.range = range(label, () => { state[name] = it.range.value * step; show(); },
      () => show(true));
    it.row = make("div", { class: "fr-knob" }, make("span", { class: "fr-name" }, label),
      it.range, it.text);
    return it;
  };
  const sliders = {
    k1: slider("k1", "k1: room for repetition", 3, 0.05),
    b: slider("b", "b: length counts", 1, 0.05),
    share: slider("share", "share of the vectors", 1, 0.05),
  };
  const list = make("ol", { class: "fr-results" });
  const none = make("p", {}, "Nothing here holds any of these words. Give the vectors a share, or ask otherwise.");
  const status = make("p", { class: "fr-text", role: "status" });
  live.append(box, group("choice", "queries to try", ...offers),
    make("div", { class: "fr-sliders" }, ...Object.values(sliders).map((it) => it.row)),
    status, list, none);
  return show;
});
