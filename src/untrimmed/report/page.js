"use strict";
// Everything shown comes from the JSON block and goes in through textContent: no markup from data is ever parsed.
const data = JSON.parse(document.getElementById("data").textContent);
const $ = (id) => document.getElementById(id);
const player = $("player");
const HUES = [215, 25, 150, 330, 265, 190, 0, 95, 45, 300];
let video = null, shown = [], clock = 0, pending = null;

const element = (tag, className, text) => {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
};
const clockText = (seconds) => {
  const whole = Math.max(0, Math.floor(seconds));
  const parts = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const tail = String(parts[2]).padStart(2, "0");
  return parts[0] ? `${parts[0]}:${String(parts[1]).padStart(2, "0")}:${tail}` : `${parts[1]}:${tail}`;
};
const colourOf = (label) => {
  const place = data.labels.indexOf(label);
  const hue = place < 0 ? 215 : HUES[place % HUES.length];
  return `hsl(${hue} 55% ${place < HUES.length ? 40 : 32}%)`;
};
const seek = (seconds) => {
  clock = Math.min(Math.max(0, seconds), video.duration);
  if (player.readyState > 0) player.currentTime = clock;
  else pending = clock;  // the file may still be opening
  follow();
};
// The address may name a video and a second: index.html#v=ID&t=12.5
const goToAddress = () => {
  const wanted = new URLSearchParams(location.hash.slice(1));
  const index = data.videos.findIndex((item) => item.id === wanted.get("v"));
  if (index >= 0 && data.videos[index] !== video) {
    $("videos").value = index;
    choose(index);
  }
  const seconds = Number.parseFloat(wanted.get("t"));
  if (Number.isFinite(seconds)) seek(seconds);
};

function lanesOf(segments) {
  const ends = [];
  return segments.map((segment) => {
    let lane = ends.findIndex((end) => end <= segment.start + 1e-9);
    if (lane < 0) lane = ends.push(0) - 1;
    ends[lane] = segment.end;
    return lane;
  });
}

function drawTrack(track) {
  const thin = track.kind === "proposals";
  const box = element("div", thin ? "track thin" : "track");
  box.dataset.kind = track.kind;
  box.append(element("h3", "", track.name));
  const area = element("div", "lanes");
  const ordered = [...track.segments].sort((a, b) => a.start - b.start || b.end - a.end);
  const phone = matchMedia("(max-width: 760px)").matches;
  const height = thin ? 8 : phone ? 26 : 20;
  const best = Math.max(...ordered.map((segment) => segment.score ?? 0), 1e-12);
  const least = Math.min(...ordered.map((segment) => segment.score ?? 0), 0);
  let lanes = 0;
  const places = lanesOf(ordered);
  ordered.forEach((segment, i) => {
    lanes = Math.max(lanes, places[i] + 1);
    const share = segment.score === undefined ? 1 : (segment.score - least) / (best - least);
    const button = element("button", "seg", thin ? "" : segment.text ?? segment.label ?? "");
    const from = Math.max(0, segment.start), to = Math.min(video.duration, segment.end);
    button.type = "button";
    button.style.left = `${100 * from / video.duration}%`;
    button.style.width = `${100 * Math.max(0, to - from) / video.duration}%`;
    button.style.top = `${places[i] * height + 1}px`;
    button.style.background = colourOf(segment.label);
    if (segment.score !== undefined) button.style.opacity = 0.45 + 0.55 * share;
    const times = `${segment.start.toFixed(1)} to ${segment.end.toFixed(1)} s`;
    const score = segment.score === undefined ? "" : `, score ${segment.score.toPrecision(3)}`;
    const words = segment.text ?? segment.label ?? "proposal";
    button.setAttribute("aria-label", `${track.name}: ${words}, ${times}${score}`);
    button.tip = `${words}\n${times}${score}`;
    button.addEventListener("click", (event) => { event.stopPropagation(); seek(segment.start); });
    area.append(button);
    shown.push({ ...segment, share, button, kind: track.kind });
  });
  area.style.height = `${Math.max(1, lanes) * height + 2}px`;
  box.append(area);
  return box;
}

function drawAxis() {
  const axis = element("div");
  axis.id = "axis";
  const count = matchMedia("(max-width: 760px)").matches ? 4 : 8;
  for (let i = 0; i <= count; i++) {
    const mark = element("span", "", clockText(video.duration * i / count));
    mark.style.left = `${100 * i / count}%`;
    axis.append(mark);
  }
  return axis;
}

function drawSide() {
  const captions = video.tracks.find((track) => track.kind === "captions")
    ?? video.tracks.find((track) => track.kind === "detections");
  $("side-title").textContent = captions?.kind === "detections" ? "Actions" : "Captions";
  const list = $("side");
  list.replaceChildren();
  const segments = [...(captions?.segments ?? [])].sort((a, b) => a.start - b.start || b.end - a.end);
  if (!segments.length) list.append(element("li", "none", "Nothing was found in this video."));
  for (const segment of segments) {
    const row = element("li"), button = element("button");
    button.type = "button";
    button.append(element("time", "", `${clockText(segment.start)}–${clockText(segment.end)}`));
    button.append(element("span", "", segment.text ?? segment.label));
    button.addEventListener("click", () => seek(segment.start));
    row.append(button);
    list.append(row);
    row.segment = segment;
  }
}

function drawClasses() {
  const box = $("classes");
  box.replaceChildren();
  if (!video.classes.length) box.append(element("p", "", "No class scores."));
  const best = Math.max(...video.classes.map((item) => item.score), 1e-12);
  for (const item of video.classes) {
    const row = element("div", "bar"), bar = element("i");
    bar.style.width = `${Math.max(0, 100 * item.score / best)}%`;
    bar.style.background = colourOf(item.label);
    row.append(element("span", "", item.label), bar, element("span", "", item.score.toPrecision(2)));
    row.title = item.label;
    box.append(row);
  }
}

function source() {
  if (video.media !== undefined) {
    const coded = atob($(`media-${video.media}`).textContent);
    const bytes = Uint8Array.from(coded, (letter) => letter.charCodeAt(0));
    return URL.createObjectURL(new Blob([bytes], { type: video.type }));
  }
  return video.source;
}

function choose(index) {
  video = data.videos[index];
  shown = [];
  clock = 0;
  pending = null;
  if (player.src.startsWith("blob:")) URL.revokeObjectURL(player.src);
  const where = source();
  player.hidden = !where;
  $("absent").hidden = Boolean(where);
  $("absent").textContent = `The file of ${video.id} is not at hand; the timeline still works.`;
  if (where) player.src = where; else player.removeAttribute("src");
  const tracks = $("tracks");
  tracks.replaceChildren(...video.tracks.map(drawTrack), drawAxis());
  const head = element("div");
  head.id = "head";
  tracks.append(head);
  drawSide();
  drawClasses();
  applyFilter();
  follow();
}

function applyFilter() {
  const least = Number($("filter").value);
  $("filter-out").textContent = `${least} %`;
  for (const item of shown) item.button.classList.toggle("off", item.share * 100 < least);
}

function follow() {
  if (player.readyState > 0 && pending === null) clock = player.currentTime;
  const area = $("tracks"), inner = area.querySelector(".lanes, #axis");
  if (!inner) return;
  $("head").style.left = `${inner.offsetLeft + inner.offsetWidth * Math.min(1, clock / video.duration)}px`;
  $("clock").textContent = `${clockText(clock)} / ${clockText(video.duration)}`;
  const inside = (segment) => segment.start <= clock + 1e-6 && clock < segment.end;
  for (const item of shown) item.button.classList.toggle("now", item.kind !== "proposals" && inside(item));
  for (const row of $("side").children) {
    row.firstElementChild?.classList.toggle("now", Boolean(row.segment) && inside(row.segment));
  }
  const spoken = shown.filter((item) => item.kind === "captions" && inside(item));
  spoken.sort((a, b) => (a.end - a.start) - (b.end - b.start));
  $("subtitle").textContent = spoken.length ? spoken[0].text : "";
}

function jump(direction) {
  const starts = [...new Set(shown.filter((item) => item.kind !== "proposals" && !item.button.classList.contains("off"))
    .map((item) => item.start))].sort((a, b) => a - b);
  const next = direction > 0 ? starts.find((start) => start > clock + 0.05)
    : starts.findLast((start) => start < clock - 0.05);
  if (next !== undefined) seek(next);
}

function setTheme(dark) {
  document.documentElement.dataset.theme = dark ? "dark" : "light";
}

addEventListener("keydown", (event) => {
  if (event.target.matches("select, input") || event.ctrlKey || event.metaKey || event.altKey) return;
  const filter = $("filter");
  const acts = {
    " ": () => { if (player.src) { if (player.paused) player.play(); else player.pause(); } },
    ArrowLeft: () => seek(clock - 5), ArrowRight: () => seek(clock + 5),
    j: () => jump(1), k: () => jump(-1),
    "]": () => { filter.value = Number(filter.value) + 5; applyFilter(); },
    "[": () => { filter.value = Number(filter.value) - 5; applyFilter(); },
  };
  if (event.key === " " && event.target.matches("button")) return;
  const act = acts[event.key];
  if (act) { event.preventDefault(); act(); }
});
$("tracks").addEventListener("click", (event) => {
  const inner = $("tracks").querySelector(".lanes, #axis").getBoundingClientRect();
  seek(video.duration * (event.clientX - inner.left) / inner.width);
});
$("tracks").addEventListener("pointermove", (event) => {
  const tip = $("tip"), words = event.target.tip;
  tip.hidden = !words;
  if (!words) return;
  tip.textContent = words;
  tip.style.whiteSpace = "pre-line";
  tip.style.left = `${Math.min(event.clientX + 12, innerWidth - tip.offsetWidth - 8)}px`;
  tip.style.top = `${Math.min(event.clientY + 14, innerHeight - tip.offsetHeight - 8)}px`;
});
$("tracks").addEventListener("pointerleave", () => { $("tip").hidden = true; });
$("filter").addEventListener("input", applyFilter);
$("theme").addEventListener("click", () => setTheme(document.documentElement.dataset.theme !== "dark"));
$("videos").addEventListener("change", (event) => choose(Number(event.target.value)));
player.addEventListener("loadedmetadata", () => {
  if (pending !== null) player.currentTime = pending;
  pending = null;
});
for (const name of ["timeupdate", "seeked", "loadedmetadata"]) player.addEventListener(name, follow);
player.addEventListener("error", () => {
  if (!player.getAttribute("src")) return;
  player.hidden = true;
  $("absent").hidden = false;
  $("absent").textContent = `This browser cannot play the file of ${video.id}; the timeline still works.`;
});
addEventListener("resize", follow);
setTheme(matchMedia("(prefers-color-scheme: dark)").matches);
data.videos.forEach((item, index) => {
  const option = element("option", "", item.id);
  option.value = index;
  $("videos").append(option);
});
$("chooser").hidden = data.videos.length < 2;
choose(0);
goToAddress();
addEventListener("hashchange", goToAddress);
