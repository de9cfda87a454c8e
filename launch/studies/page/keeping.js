// What the page of a study knows and keeps: the order of the rater's own, answers in this browser, and their way to the
// server that the page came from, where there is one. study.js shows it. Clips are known by random names alone.
"use strict";
const study = JSON.parse(document.getElementById("study").textContent);
const $ = (id) => document.getElementById(id);
const RETRY = 3000; // ms until answers are sent again, and clips loaded
const BATCH = 50; // answers a request

// --- The rater's own order: a function of study and rater, so that a reload changes nothing. ---

const mixed = (n) => {
  n = Math.imul(n ^ (n >>> 16), 0x85ebca6b);
  n = Math.imul(n ^ (n >>> 13), 0xc2b2ae35);
  return (n ^ (n >>> 16)) >>> 0;
};
const hashed = (text) => [...text].reduce((n, c) => mixed(n ^ c.codePointAt(0)), 0x811c9dc5);

function drawn(seed) {
  let n = seed;
  return () => mixed((n = (n + 0x9e3779b9) >>> 0)) / 2 ** 32;
}

function shuffled(list, random) {
  const made = [...list];
  for (let i = made.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [made[i], made[j]] = [made[j], made[i]];
  }
  return made;
}

function orderOf(rater) {
  const random = drawn(hashed(`${study.study} ${rater}`));
  return shuffled(study.items, random).map((item) => ({ ...item, clips: shuffled(item.clips, random) }));
}

// --- What is kept in this browser. Read anew before each change, because another tab may have changed it. ---

const memory = {};
let keeps = true;
function read(name, otherwise) {
  try {
    const text = keeps ? localStorage.getItem(name) : memory[name];
    return text ? JSON.parse(text) : otherwise;
  } catch {
    return otherwise;
  }
}
function write(name, value) {
  memory[name] = JSON.stringify(value);
  try {
    localStorage.setItem(name, memory[name]);
  } catch {
    keeps = false;
  }
}

const RATER = `study ${study.study}`;
let rater = "";
// drafts: choices by item and question. lines: what was answered, by "item question". watched: share by clip.
const blank = () => ({ drafts: {}, lines: {}, sent: {}, watched: {} });
const state = () => read(`${RATER} ${rater}`, blank());
function change(apply) {
  const now = state();
  apply(now);
  write(`${RATER} ${rater}`, now);
}

// --- Sending ---

let token = null; // of the server; null where the page came from elsewhere
let sending = false;
let refused = "";

async function greet() {
  if (!location.protocol.startsWith("http")) return;
  try {
    const answer = await fetch("session", { cache: "no-store" });
    const told = answer.ok ? await answer.json() : {};
    if (told.study === study.study) token = told.token;
  } catch {
    /* not there now: it is asked again where it was there before */
  }
}

const unsent = () => {
  const { lines, sent } = state();
  return Object.entries(lines).filter(([name, line]) => sent[name] !== line.at).map(([, line]) => line);
};

const post = (lines) => fetch("answers", {
  method: "POST", body: JSON.stringify(lines),
  headers: { "Content-Type": "application/json", "X-Study-Token": token },
});

async function send() {
  if (token === null || sending || !rater) return tell();
  sending = true;
  try {
    for (let lines = unsent().slice(0, BATCH); lines.length && !refused; lines = unsent().slice(0, BATCH)) {
      let answer = await post(lines);
      if (answer.status === 403) { // the server was started anew
        await greet();
        answer = await post(lines);
      }
      if (answer.status === 400) refused = (await answer.json()).error;
      if (!answer.ok) break;
      change((now) => lines.forEach((line) => (now.sent[`${line.item} ${line.question}`] = line.at)));
    }
  } catch {
    /* the server is away: tried again in a while */
  } finally {
    sending = false;
    tell();
  }
}

function tell() {
  const count = Object.keys(rater ? state().lines : {}).length;
  const waiting = rater && token !== null ? unsent().length : 0;
  const many = (n) => `${n} answer${n === 1 ? "" : "s"}`;
  let text = token === null ? `${many(count)}, kept in this browser.` : `${many(count - waiting)} stored.`;
  if (count === 0) text = "";
  if (waiting) text += ` ${waiting} more wait for the server, kept in this browser.`;
  if (refused) text = `The server refused an answer (${refused}). Please download your answers and send the file.`;
  if (!keeps) text += " This browser keeps nothing when the page closes: download your answers before.";
  if ($("saved").textContent !== text) $("saved").textContent = text;
  $("download").hidden = count === 0;
  $("end-text").textContent = token !== null && !waiting && !refused
    ? "All your answers are stored. You may close this page."
    : token !== null ? "Some answers have not reached the server yet. Leave the page open for a while, or download them."
      : "Please download your answers, and send the file to the person who asked you.";
}

function download() {
  const lines = Object.values(state().lines).map((line) => `${JSON.stringify(line)}\n`);
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob(lines, { type: "application/x-ndjson" }));
  link.download = `answers-${rater}.jsonl`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), RETRY);
}
