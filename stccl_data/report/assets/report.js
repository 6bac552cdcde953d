// The script of every report: draws the charts, drives the players, and filters the pair table.
"use strict";

const dark = matchMedia("(prefers-color-scheme: dark)");
const whenIdle = window.requestIdleCallback ?? ((act) => setTimeout(act, 100));

// ---- charts -----------------------------------------------------------------------------------

// Put the colours of the theme where a figure names a variable of the style sheet. A variable may
// be `light-dark(...)`, so the browser computes it on an element.
const probe = document.createElement("i");
function colour(name) {
  probe.style.color = `var(${name})`;
  return getComputedStyle(probe).color;
}
function coloured(value) {
  if (typeof value === "string") return value.startsWith("--") ? colour(value) : value;
  if (Array.isArray(value)) return typeof value[0] === "number" ? value : value.map(coloured);
  if (value && typeof value === "object")
    return Object.fromEntries(Object.entries(value).map(([key, entry]) => [key, coloured(entry)]));
  return value;
}

function drawChart(plot) {
  const figure = JSON.parse(plot.parentNode.querySelector(".figure").textContent);
  const axis = (own) => ({
    gridcolor: colour("--line"), linecolor: colour("--line"), zerolinecolor: colour("--line"),
    automargin: true, fixedrange: true, ...own,
  });
  const layout = {
    margin: { l: 40, r: 10, t: 22, b: 34 },
    paper_bgcolor: "transparent",
    plot_bgcolor: "transparent",
    font: { color: colour("--ink"), size: 12, family: getComputedStyle(document.body).fontFamily },
    legend: { orientation: "h", y: 1.02, yanchor: "bottom", x: 0 },
    hoverlabel: { bgcolor: colour("--card"), font: { color: colour("--ink") } },
    ...coloured(figure.layout),
  };
  for (const name of Object.keys(layout).filter((key) => /^[xy]axis/.test(key)))
    layout[name] = axis(layout[name]);
  layout.xaxis ??= axis({});
  layout.yaxis ??= axis({});
  Plotly.react(plot, coloured(figure.data), layout, { displayModeBar: false, responsive: true });
  plot.dataset.drawn = "yes";
  if (figure.follows) plot.dataset.follows = "yes";
}

function setUpCharts() {
  document.body.append(probe);
  const plots = [...document.querySelectorAll(".drawing")];
  const seen = new IntersectionObserver((entries) => {
    for (const entry of entries.filter((one) => one.isIntersecting)) {
      seen.unobserve(entry.target);
      drawChart(entry.target);
    }
  }, { rootMargin: "600px" });
  plots.forEach((plot) => seen.observe(plot));
  // those further down follow one by one while the browser has nothing else to do
  const drawRest = () => {
    const next = plots.find((plot) => !plot.dataset.drawn);
    if (!next) return;
    drawChart(next);
    whenIdle(drawRest);
  };
  whenIdle(drawRest);
  dark.addEventListener("change", () =>
    plots.filter((plot) => plot.dataset.drawn).forEach(drawChart));
  addEventListener("beforeprint", () => {
    plots.filter((plot) => !plot.dataset.drawn).forEach(drawChart);
    for (const image of document.querySelectorAll("img[loading=lazy]")) image.loading = "eager";
    document.body.classList.add("paper");  // as wide as paper, so that charts get its width
    plots.forEach((plot) => Plotly.relayout(plot, { width: plot.clientWidth }));
  });
  addEventListener("afterprint", () => {
    document.body.classList.remove("paper");
    plots.forEach((plot) => Plotly.relayout(plot, { width: null, autosize: true }));
  });
}

// Show a time of the source on the charts that follow the player.
function moveCursors(stage, seconds) {
  for (const plot of stage.querySelectorAll(".drawing[data-follows]")) {
    const full = plot._fullLayout;
    if (!full) continue;
    let cursor = plot.querySelector(".cursor");
    if (!cursor) {
      cursor = Object.assign(document.createElement("span"), { className: "cursor" });
      plot.append(cursor);
    }
    const { xaxis, yaxis } = full;
    const x = Math.min(Math.max(xaxis.l2p(seconds), 0), xaxis._length);
    cursor.style.left = `${xaxis._offset + x}px`;
    cursor.style.top = `${yaxis._offset}px`;
    cursor.style.height = `${yaxis._length}px`;
  }
}

// ---- player -----------------------------------------------------------------------------------

function setUpPlayer(player) {
  const video = player.querySelector("video");
  if (!video) return;
  const frames = JSON.parse(player.querySelector(".frames").textContent);
  const seek = player.querySelector(".seek");
  const button = (name) => player.querySelector(`[data-do="${name}"]`);
  const output = (name) => player.querySelector(`[data-show="${name}"]`);
  const stage = player.closest(".stage") ?? player;
  const last = frames.source.length - 1;
  const words = (times, i) => (i < 0 ? "no frame" : `${times[i].toFixed(2)} s · frame ${i}`);

  function show() {
    const k = Math.min(last, Math.floor(video.currentTime * frames.fps + 0.01));
    const source = frames.source[k];
    seek.value = k;
    seek.setAttribute("aria-valuetext", words(frames.source_times, source));
    output("source").textContent = words(frames.source_times, source);
    output("target").textContent = words(frames.target_times, frames.target[k]);
    moveCursors(stage, frames.source_times[source]);
  }
  function watch() {
    show();
    if (!video.paused) requestAnimationFrame(watch);
  }
  // The middle of a frame, so that rounding never shows its neighbour.
  function go(k) {
    const time = (Math.min(last, Math.max(0, k)) + 0.5) / frames.fps;
    video.pause();
    if (video.readyState >= 1) video.currentTime = time;
    else {
      video.addEventListener("loadedmetadata", () => { video.currentTime = time; }, { once: true });
      video.preload = "auto";
      video.load();
    }
  }
  const press = (name, on) => button(name).setAttribute("aria-pressed", String(on));
  const actions = {
    play: () => (video.paused ? video.play() : video.pause()),
    back: () => go(Number(seek.value) - 1),
    forward: () => go(Number(seek.value) + 1),
    slow: () => {
      video.playbackRate = video.playbackRate === 1 ? 0.5 : 1;
      press("slow", video.playbackRate !== 1);
    },
    mute: () => { video.muted = !video.muted; press("mute", video.muted); },
  };
  for (const [name, act] of Object.entries(actions)) button(name).addEventListener("click", act);
  seek.addEventListener("input", () => go(Number(seek.value)));
  video.addEventListener("click", actions.play);
  video.addEventListener("seeked", show);
  for (const event of ["play", "pause"])
    video.addEventListener(event, () => {
      press("play", !video.paused);
      button("play").textContent = video.paused ? "Play" : "Pause";
      watch();
    });
  show();
  return actions;
}

// Keys drive the player of a page that has one.
function setUpKeys(actions) {
  const keys = { " ": "play", k: "play", ArrowLeft: "back", ArrowRight: "forward", s: "slow", m: "mute" };
  addEventListener("keydown", (event) => {
    const name = keys[event.key];
    const onControl = event.target.closest("button, a, input, select, summary, [tabindex='0']");
    if (!name || event.ctrlKey || event.metaKey || event.altKey || onControl) return;
    event.preventDefault();
    actions[name]();
  });
}

// ---- pair table -------------------------------------------------------------------------------

const ROWS_A_PAGE = 50;

function setUpTable(place, data) {
  const make = (tag, properties = {}, ...children) => {
    const element = Object.assign(document.createElement(tag), properties);
    element.append(...children);
    return element;
  };
  const count = data.source.length;
  const clips = () => window.stccl.clips ?? data.names;  // ids follow the names, see loadLater
  const pair = (names, row) => `${names[data.source[row]]} → ${names[data.target[row]]}`;
  const all = Uint32Array.from({ length: count }, (_, i) => i);
  let rows = all, page = 0, sorted = { column: null, direction: 1 };

  const filters = data.columns.filter((column) => column.kind === "label");
  const selects = filters.map((column) => {
    const select = make("select", {}, make("option", { value: "", textContent: "all" }));
    column.words.forEach((word, number) =>
      select.append(make("option", { value: number, textContent: word || "(none)" })));
    select.addEventListener("change", update);
    return select;
  });
  const search = make("input", { type: "search", placeholder: "part of a clip id" });
  search.addEventListener("input", update);
  const shown = make("input", { type: "checkbox" });
  shown.addEventListener("change", update);
  const labelled = (name, control) => {
    control.id = `filter-${name.replace(" ", "-")}`;
    return make("div", {}, make("label", { htmlFor: control.id, textContent: name }), control);
  };
  const bar = make("div", { className: "filters" },
    ...selects.map((select, i) => labelled(filters[i].name, select)),
    labelled("search", search),
    labelled("with a page", shown));

  const heads = data.columns.map((column) => {
    const button = make("button", { type: "button", textContent: column.name });
    const head = make("th", { scope: "col" }, button);
    if (column.kind === "number") head.className = "number";
    button.addEventListener("click", () => {
      const again = sorted.column === column;
      sorted = { column, direction: again ? -sorted.direction : 1 };
      for (const other of heads) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", sorted.direction > 0 ? "ascending" : "descending");
      for (const other of heads)
        other.firstChild.textContent = other.firstChild.textContent.replace(/ [▲▼]$/, "");
      button.textContent += sorted.direction > 0 ? " ▲" : " ▼";
      update();
    });
    return head;
  });
  const body = make("tbody");
  const table = make("table", {}, make("caption", { className: "hidden", textContent: "All pairs" }),
    make("thead", {}, make("tr", {}, make("th", { scope: "col", textContent: "pair" }), ...heads)), body);
  const box = make("div", { className: "scroll", tabIndex: 0 }, table);
  box.setAttribute("role", "region");
  box.setAttribute("aria-label", "All pairs");
  const back = make("button", { type: "button", textContent: "← previous" });
  const next = make("button", { type: "button", textContent: "next →" });
  const where = make("output");
  back.addEventListener("click", () => { page -= 1; draw(); });
  next.addEventListener("click", () => { page += 1; draw(); });
  place.replaceChildren(bar, box, make("div", { className: "pages" }, back, next, where));

  function update() {
    const wanted = selects.map((select) => (select.value === "" ? -1 : Number(select.value)));
    const active = filters.map((column, i) => [column.values, wanted[i]]).filter(([, w]) => w >= 0);
    const word = search.value.trim().toLowerCase();
    const searched = word && clips().map((clip) => clip.toLowerCase());
    rows = all.filter((row) =>
      active.every(([values, number]) => values[row] === number)
      && (!word || pair(searched, row).includes(word))
      && (!shown.checked || row in data.pages));
    if (sorted.column) {
      const { column: { values }, direction } = sorted;
      // unknown scores come last, whichever way
      rows.sort((a, b) => {
        const [x, y] = [values[a], values[b]];
        if (x === null || y === null) return (x === null) - (y === null) || a - b;
        return direction * (x - y) || a - b;
      });
    }
    page = 0;
    draw();
  }

  function draw() {
    const pages = Math.max(1, Math.ceil(rows.length / ROWS_A_PAGE));
    const part = rows.subarray(page * ROWS_A_PAGE, (page + 1) * ROWS_A_PAGE);
    body.replaceChildren(...Array.from(part, drawRow));
    back.disabled = page === 0;
    next.disabled = page >= pages - 1;
    where.textContent =
      `${rows.length.toLocaleString("en")} of ${count.toLocaleString("en")} pairs, page ${page + 1} of ${pages}`;
  }

  function drawRow(row) {
    const name = make("bdi", { textContent: pair(data.names, row), title: pair(clips(), row) });
    const stem = data.pages[row];
    const single = document.getElementById(`pair-${stem}`);
    const link = stem && make("a", { href: single ? `#pair-${stem}` : `pairs/${stem}.html` }, name);
    const cells = data.columns.map((column) => {
      const value = column.values[row];
      if (column.kind === "label") return make("td", {}, make("bdi", { textContent: column.words[value] }));
      const text = value === null ? "–" : Number.isInteger(value) ? String(value) : value.toPrecision(3);
      return make("td", { className: "number", textContent: text });
    });
    return make("tr", {}, make("td", {}, link || name), ...cells);
  }
  update();
  whenIdle(() => loadLater(draw));
}

// Load what the page can be read without.
function loadLater(then) {
  for (const place of document.querySelectorAll("template.later")) {
    const script = Object.assign(document.createElement("script"), { src: place.dataset.src });
    script.addEventListener("load", then);
    place.replaceWith(script);
  }
}

// ---- review -----------------------------------------------------------------------------------

// Only `stccl review` serves pages; a report on disk has nobody to tell a verdict to.
async function setUpReview() {
  const bar = document.querySelector(".verdict");
  if (!bar || location.protocol !== "http:") return;
  const { source, target } = bar.dataset;
  const buttons = [...bar.querySelectorAll("button")];
  const place = new URL("../verdicts", location.href);
  let current = "";
  const show = (verdicts) => {
    current = verdicts[`${source}\n${target}`] ?? "";
    for (const button of buttons)
      button.setAttribute("aria-pressed", String(button.dataset.verdict === current));
    bar.querySelector("output").textContent = `${Object.keys(verdicts).length} pairs reviewed`;
  };
  async function decide(verdict) {
    const body = JSON.stringify({ source, target, verdict: verdict === current ? "" : verdict });
    const answer = await fetch(place, { method: "POST", body });
    if (!answer.ok) throw new Error(`the verdict was not recorded: ${answer.status}`);
    show(await answer.json());
    const next = document.querySelector("nav a[rel=next]");
    if (current && next) next.click();
  }
  for (const button of buttons)
    button.addEventListener("click", () => decide(button.dataset.verdict));
  addEventListener("keydown", (event) => {
    const verdict = { y: "keep", n: "reject" }[event.key];
    if (!verdict || event.ctrlKey || event.metaKey || event.altKey) return;
    if (!event.target.closest("input, select")) decide(verdict);
  });
  show(await (await fetch(place)).json());
  bar.hidden = false;
}

// ---- start ------------------------------------------------------------------------------------

addEventListener("DOMContentLoaded", () => {
  // plotly.js takes longer to load than everything else, so nothing waits for it
  if (window.Plotly) setUpCharts();
  else document.getElementById("plotly").addEventListener("load", setUpCharts);
  const players = [...document.querySelectorAll(".player")].map(setUpPlayer).filter(Boolean);
  if (players.length === 1) setUpKeys(players[0]);
  const place = document.getElementById("pair-table");
  if (place) setUpTable(place, window.stccl.pairs);
  setUpReview();
});
