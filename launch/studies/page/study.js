// What raters see and do on the page of a study; keeping.js, which is loaded before, keeps it.
"use strict";
const SEEN = 0.9; // of a clip's length, played: the end
const UNPLAYABLE = "does not play here";
const letter = (n) => String.fromCharCode(65 + n);

let order = [];
let at = 0;
let since = 0; // when this comparison was shown, ms
const videos = () => [...document.querySelectorAll("#clips video")];
const failed = {}; // by clip: why it does not play, or nothing

function show(name) {
  for (const id of ["start", "rate", "end"]) $(id).hidden = id !== name;
  if (name !== "rate") $("clips").replaceChildren(); // stops their sound
  scrollTo(0, 0);
  document.querySelector(`#${name} h1`).focus();
  tell();
}

const done = (item) => study.questions.every(({ id }) => state().lines[`${item.id} ${id}`]);

function made(tag, properties, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

function clip({ id, width, height }, n) {
  const name = `Clip ${letter(n)}`;
  const seen = made("span", { className: "seen", id: `seen-${n}` });
  const video = made("video", {
    controls: true, preload: "metadata", playsInline: true, width, height, src: `media/${id}.mp4`,
    disablePictureInPicture: true,
  });
  video.setAttribute("aria-label", name);
  video.setAttribute("controlslist", "nodownload noremoteplayback");
  video.setAttribute("aria-describedby", seen.id);
  video.dataset.clip = id;
  video.addEventListener("play", () => video.paused || hush(video)); // stopped already: another was started since
  for (const event of ["timeupdate", "ended", "pause"]) video.addEventListener(event, () => watch(video));
  video.addEventListener("error", () => lost(video));
  video.addEventListener("loadedmetadata", () => mark(video, ""));
  return made("figure", {}, video, made("figcaption", {}, `${name} `, seen));
}

const hush = (video) => videos().forEach((other) => other !== video && other.pause());

function toggle(video) {
  if (!video.paused) return video.pause();
  hush(video);
  video.play().catch(() => {});
}

// A clip that does not load while the server is away is tried again. One that fails twice with the server there (the
// first time it may have been away) is one that this browser does not play.
async function lost(video) {
  const reached = token === null || (await fetch("session", { cache: "no-store" }).then((answer) => answer.ok, () => false));
  const again = () => video.isConnected && video.error && video.load();
  if (reached && video.dataset.failed) return mark(video, UNPLAYABLE);
  if (reached) {
    video.dataset.failed = "once";
    return again();
  }
  mark(video, "waits for the server");
  setTimeout(again, RETRY);
}

function mark(video, text) {
  failed[video.dataset.clip] = text;
  if (video.isConnected) ready();
}

function watch(video) {
  let played = 0;
  for (let i = 0; i < video.played.length; i++) played += video.played.end(i) - video.played.start(i);
  const share = Math.min(1, played / video.duration) || 0;
  if (share > (state().watched[video.dataset.clip] ?? 0)) {
    change((now) => (now.watched[video.dataset.clip] = Math.round(share * 1000) / 1000));
    ready();
  }
}

function question({ id, text }, item) {
  const draft = state().drafts[item.id]?.[id];
  const choices = item.clips.map((one, n) => [one.id, `Clip ${letter(n)}`]).concat([[study.tie, "No difference"]]);
  const labels = choices.map(([value, shown]) => {
    const input = made("input", { type: "radio", name: id, value, checked: draft?.choice === value });
    input.addEventListener("change", () => choose(item, id, value));
    return made("label", {}, input, shown);
  });
  return made("fieldset", {}, made("legend", {}, text), made("div", { className: "choices" }, ...labels));
}

function choose(item, id, choice) {
  const now = Date.now();
  change((kept) => ((kept.drafts[item.id] ??= {})[id] = { choice, at: now, seconds: (now - since) / 1000 }));
  ready();
}

function rate(n) {
  at = n;
  since = Date.now();
  const item = order[at];
  $("place").textContent = `Comparison ${at + 1} of ${order.length}`;
  $("progress").max = order.length;
  $("progress").value = order.filter(done).length;
  $("photo").hidden = !item.photo;
  if (item.photo) $("photo").firstElementChild.src = `media/${item.photo}.jpg`;
  $("clips").classList.toggle("upright", item.clips.every(({ width, height }) => height > width));
  $("clips").replaceChildren(...item.clips.map(clip));
  $("questions").replaceChildren(...study.questions.map((one) => question(one, item)));
  $("back").hidden = at === 0;
  $("next").textContent = at + 1 < order.length ? "Next" : "Finish";
  ready();
  show("rate");
}

// What is left to do before the rater may go on; "" where nothing is.
function missing() {
  const { watched, drafts } = state();
  const item = order[at];
  const unseen = item.clips.findIndex(({ id }) => (watched[id] ?? 0) < SEEN && failed[id] !== UNPLAYABLE);
  const open = study.questions.filter(({ id }) => !drafts[item.id]?.[id]).length;
  if (unseen >= 0) return `Watch clip ${letter(unseen)} to its end.`;
  return open ? `${open} question${open === 1 ? " is" : "s are"} left.` : "";
}

function ready() {
  const { watched } = state();
  order[at].clips.forEach(({ id }, n) => {
    const text = failed[id] || ((watched[id] ?? 0) >= SEEN ? "✓ watched" : "");
    const seen = $(`seen-${n}`);
    if (seen && seen.textContent !== text) seen.textContent = text;
  });
  $("next").setAttribute("aria-disabled", String(missing() !== ""));
  if (!missing()) $("hint").textContent = "";
}

// An answer is a line once the rater goes on; one that was changed since is a new one.
function goOn() {
  $("hint").textContent = missing();
  if (missing()) return;
  const item = order[at];
  const shown = item.clips.map(({ id }) => id);
  change((now) => {
    for (const { id } of study.questions) {
      const draft = now.drafts[item.id][id];
      const name = `${item.id} ${id}`;
      if (now.lines[name]?.at === draft.at) continue;
      now.lines[name] = {
        study: study.study, rater, item: item.id, question: id, ...draft, shown,
        watched: shown.map((one) => now.watched[one] ?? 0),
      };
    }
  });
  if (at + 1 < order.length) rate(at + 1);
  else show("end");
  send();
}

function begin(event) {
  event.preventDefault();
  rater = $("rater").value;
  write(RATER, rater);
  order = orderOf(rater);
  const first = order.findIndex((item) => !done(item));
  if (first < 0) show("end");
  else rate(first);
  send();
}

function welcome(id) {
  rater = "";
  refused = "";
  $("rater").value = id;
  const [n, q] = [study.items.length, study.questions.length];
  $("start-count").textContent = `You will see ${n} comparison${n === 1 ? "" : "s"} of dance videos, with ${q} questions each.`;
  show("start");
}

const fresh = () => [...crypto.getRandomValues(new Uint8Array(8))].map((n) => "23456789abcdefghjkmnpqrstuvwxyz"[n % 31]).join("");

function press(event) {
  if ($("rate").hidden || !$("keys").checked || event.ctrlKey || event.altKey || event.metaKey) return;
  const n = event.key.length === 1 ? event.key.toUpperCase().charCodeAt(0) - 65 : -1;
  const video = videos()[n];
  if (video) return toggle(video);
  if (event.key === "Enter" && ["BODY", "H1", "VIDEO"].includes(event.target.tagName)) return goOn();
  const place = event.key.length === 1 ? "1234567890".indexOf(event.key) : -1;
  const { drafts } = state();
  const open = study.questions.find(({ id }) => !drafts[order[at].id]?.[id]);
  if (place < 0 || !open) return;
  const inputs = [...document.getElementsByName(open.id)];
  const input = place === 9 ? inputs.at(-1) : inputs.slice(0, -1)[place];
  if (input) {
    input.click();
    input.closest("fieldset").scrollIntoView({ block: "nearest" });
  }
}

$("begin").addEventListener("submit", begin);
$("questions").addEventListener("submit", (event) => {
  event.preventDefault();
  goOn();
});
$("back").addEventListener("click", () => rate(at - 1));
$("review").addEventListener("click", () => rate(0));
$("another").addEventListener("click", () => welcome(fresh()));
$("download").addEventListener("click", download);
document.addEventListener("keydown", press);
addEventListener("online", () => {
  videos().forEach((video) => video.error && video.load());
  send();
});
setInterval(() => rater && token !== null && unsent().length && send(), RETRY);

const given = new URLSearchParams(location.search).get("rater") ?? "";
welcome(/^[A-Za-z0-9_-]{1,40}$/.test(given) ? given : read(RATER, "") || fresh());
greet().then(send);
