"use strict";

const $ = (selector) => document.querySelector(selector);
const simulated = document.body.dataset.simulator !== "";
const TOKEN = "thisthat.token";
const DONE_SHOWN = 4;
const FAR = 80; // pixels that a swipe has to go

let token = sessionStorage.getItem(TOKEN);
let markets = []; // those that end soonest
let skipped = new Set();
let current = null;
let shownEvents = null;
let clockAhead = 0; // of the server's time before this machine's

// -- Talking to the service

async function call(path, { body, form, signed } = {}) {
  const headers = {};
  if (signed && token) headers.Authorization = `Bearer ${token}`;
  if (body) Object.assign(headers, { "Content-Type": "application/json", "Idempotency-Key": crypto.randomUUID?.() ?? String(Math.random()) });
  if (form) Object.assign(headers, { "X-CSRFToken": document.body.dataset.csrf });
  const sent = body ? JSON.stringify(body) : form && new URLSearchParams(form);
  const response = await fetch(path, { method: sent ? "POST" : "GET", headers, body: sent });
  if (response.status === 401 && signed && token) {
    await signIn();
    return call(path, { body, form, signed });
  }
  const answer = await response.json();
  if (!response.ok) throw new Error(answer.error);
  return answer;
}

async function signIn() {
  token = null;
  token = (await call("/dev/sign-in", { form: { account: "demo" } })).accessToken;
  sessionStorage.setItem(TOKEN, token);
  await showAccount();
}

// A failure is told once, and what was asked for periodically is asked again.
function every(seconds, act) {
  const again = async () => {
    try {
      if (!document.hidden) await act();
    } catch (error) {
      console.info(error.message);
    }
    setTimeout(again, seconds * 1000);
  };
  again();
}

function toast(text, isBad) {
  const box = $("#toast");
  box.textContent = text;
  box.className = isBad ? "on bad" : "on";
  clearTimeout(toast.timer);
  toast.timer = setTimeout(() => (box.className = ""), 3500);
}

async function attempt(act) {
  try {
    await act();
  } catch (error) {
    toast(error.message, true);
  }
}

// -- Showing

const credits = (amount) => amount.toLocaleString("en", { minimumFractionDigits: 2, maximumFractionDigits: 2 });
const percent = (odds) => `${Math.round(odds * 1000) / 10} %`;

function element(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

function secondsLeft(market) {
  return market.expiresAt ? (new Date(market.expiresAt) - Date.now() - clockAhead) / 1000 : Infinity;
}

function remaining(market) {
  const left = Math.max(0, Math.ceil(secondsLeft(market)));
  if (left === Infinity) return "open end";
  if (left === 0) return "deciding …";
  if (left < 3600) return `${Math.floor(left / 60)}:${String(left % 60).padStart(2, "0")}`;
  return left < 172800 ? `${Math.round(left / 3600)} h` : `${Math.round(left / 86400)} days`;
}

function tellTime(place, market) {
  place.textContent = remaining(market);
  place.classList.toggle("near", secondsLeft(market) < 15);
}

// -- Markets and the card

async function readMarkets() {
  markets = (await call("/api/v1/markets?sort=ending&limit=24")).data.filter((market) => market.status === "open");
  showSoon();
  if (!current || secondsLeft(current) < -2) nextCard();
}

function showSoon() {
  const shown = markets.filter((market) => secondsLeft(market) > 0).slice(0, 8);
  $("#soon").replaceChildren(...shown.map((market) => {
    const row = element("li"), button = element("button");
    button.type = "button";
    const clock = element("span", "clock");
    tellTime(clock, market);
    button.append(clock, element("b", "", market.title), element("i", "", percent(market.thisOdds)));
    button.onclick = () => showCard(market);
    row.append(button);
    return row;
  }));
}

function nextCard() {
  const open = markets.filter((market) => secondsLeft(market) > 20 && !market.illiquid);
  let fresh = open.filter((market) => !skipped.has(market.id));
  if (!fresh.length) {
    skipped = new Set();
    fresh = open;
  }
  if (fresh.length) showCard(fresh[0]);
  $("#card").hidden = !fresh.length;
  $("#no-card").hidden = Boolean(fresh.length);
  if (!fresh.length) $("#no-card").textContent = "No market is open at the moment. New ones come every minute.";
}

function showCard(market) {
  current = market;
  skipped.add(market.id);
  const card = $("#card");
  card.hidden = false;
  $("#no-card").hidden = true;
  card.style.transform = "";
  card.className = "card come";
  card.dataset.market = market.id;
  $("#picture").src = market.imageUrl;
  $("#category").textContent = market.category;
  $("#question").textContent = market.title;
  $("#bet-this b").textContent = $(".badge.right").textContent = market.thisOption;
  $("#bet-that b").textContent = $(".badge.left").textContent = market.thatOption;
  for (const side of ["this", "that"]) {
    const button = $(`#decide [data-outcome=${side}]`);
    if (button) button.textContent = market[`${side}Option`];
    $(`#bet-${side} .odds`).className = "odds";
  }
  if ($("#decide")) $("#decide").hidden = market.marketType !== "polymarket";
  showOdds(market.thisOdds, market.thatOdds);
  tellTime($("#ends"), market);
  $("#past polyline").setAttribute("points", "");
  attempt(readOdds);
  attempt(readPast);
}

async function readOdds() {
  if (!current || secondsLeft(current) <= 0 || current.marketType !== "polymarket") return;
  const asked = current, live = (await call(`/api/v1/markets/${asked.id}/live`)).data;
  if (asked !== current) return;
  for (const side of ["this", "that"]) {
    const change = live[`${side}Odds`] - asked[`${side}Odds`];
    if (change) $(`#bet-${side} .odds`).className = change > 0 ? "odds up" : "odds down";
  }
  Object.assign(asked, { thisOdds: live.thisOdds, thatOdds: live.thatOdds });
  showOdds(live.thisAsk ?? live.thisOdds, live.thatAsk ?? live.thatOdds);
}

function showOdds(thisOdds, thatOdds) {
  const stake = Number($("[name=stake]:checked").value);
  for (const [side, odds] of [["this", thisOdds], ["that", thatOdds]]) {
    $(`#bet-${side} .odds`).textContent = percent(odds);
    $(`#bet-${side} small`).textContent = `${stake} → ${credits(stake / odds)}`;
  }
  $("#bar").style.width = `${100 * (1 - thisOdds)}%`;
}

// The odds of THIS over the last hours, drawn as a line from the left edge to the right one.
async function readPast() {
  if (!current) return;
  const asked = current, { data } = await call(`/api/v1/markets/${asked.id}/history?interval=6h`);
  if (asked !== current) return;
  const times = data.map((point) => new Date(point.t).getTime());
  const first = times[0], span = Math.max(1, times.at(-1) - first);
  const points = data.map((point, place) => `${(100 * (times[place] - first)) / span},${30 * (1 - point.thisOdds)}`);
  $("#past polyline").setAttribute("points", points.join(" "));
  const last = data.at(-1);
  $("#past").setAttribute("aria-label", last ? `${asked.thisOption} over six hours: ${percent(data[0].thisOdds)} to ${percent(last.thisOdds)}` : "");
}

async function bet(side) {
  const market = current;
  if (!market) return;
  if (!token) await signIn();
  const amount = Number($("[name=stake]:checked").value);
  const card = $("#card");
  card.className = "card gone";
  card.style.transform = `translateX(${side === "this" ? 420 : -420}px) rotate(${side === "this" ? 14 : -14}deg)`;
  try {
    const placed = await call("/api/v1/bets", { body: { marketId: market.id, side, amount }, signed: true });
    toast(`${amount} on ${market[`${side}Option`]} at ${percent(placed.bet.oddsAtBet)}: may pay ${credits(placed.potentialPayout)}`);
  } catch (error) {
    toast(error.message, true);
  }
  setTimeout(nextCard, 250);
  await showAccount();
}

// -- Swiping

function swipeable(card) {
  let from = null;
  card.addEventListener("pointerdown", (event) => {
    if (event.target.closest("button")) return;
    from = event.clientX;
    card.setPointerCapture(event.pointerId);
  });
  card.addEventListener("pointermove", (event) => {
    if (from === null) return;
    const way = event.clientX - from;
    card.className = "card";
    card.style.transform = `translateX(${way}px) rotate(${way / 30}deg)`;
    $(".badge.right").style.opacity = Math.max(0, Math.min(1, way / FAR));
    $(".badge.left").style.opacity = Math.max(0, Math.min(1, -way / FAR));
  });
  const end = (event) => {
    if (from === null) return;
    const way = event.type === "pointercancel" ? 0 : event.clientX - from;
    from = null;
    $(".badge.right").style.opacity = $(".badge.left").style.opacity = 0;
    if (Math.abs(way) > FAR) return attempt(() => bet(way > 0 ? "this" : "that"));
    card.className = "card back";
    card.style.transform = "";
  };
  card.addEventListener("pointerup", end);
  card.addEventListener("pointercancel", end);
}

// -- The account

async function showAccount() {
  $("#signed-in").hidden = !token;
  $("#signed-out").hidden = Boolean(token);
  if (!token) return;
  const [me, mine] = await Promise.all([
    call("/api/v1/auth/me", { signed: true }),
    call("/api/v1/bets/me?limit=30", { signed: true }),
  ]);
  setSum("#balance", me.user.creditBalance);
  setSum("#locked", me.user.lockedCredits);
  setSum("#profit", me.user.overallPnL);
  const open = mine.bets.filter((placed) => placed.status === "pending");
  const done = mine.bets.filter((placed) => placed.status !== "pending").slice(0, DONE_SHOWN);
  $("#bets").replaceChildren(...[...open, ...done].map(betRow));
  $("#no-bets").hidden = mine.bets.length > 0;
  tellPaid(mine.bets);
}

function setSum(selector, amount) {
  const place = $(selector), text = credits(amount);
  if (place.textContent !== text && place.textContent !== "–") {
    place.classList.remove("flash");
    void place.offsetWidth; // so that the animation begins anew
    place.classList.add("flash");
  }
  place.textContent = text;
}

function tellPaid(bets) {
  const pending = new Set(bets.filter((placed) => placed.status === "pending").map((placed) => placed.id));
  for (const placed of bets) {
    if (!tellPaid.pending?.has(placed.id) || pending.has(placed.id)) continue;
    if (placed.status === "won") toast(`Won! ${credits(placed.actualPayout)} paid for ${placed.market.title}`);
    if (placed.status === "lost") toast(`Lost: ${placed.market.title}`);
    if (placed.status === "cancelled") toast(`A tie: ${credits(placed.actualPayout)} came back for ${placed.market.title}`);
  }
  tellPaid.pending = pending;
}

function betRow(placed) {
  const row = element("li"), line = element("div", "line");
  row.dataset.bet = placed.id;
  const names = { pending: remaining(placed.market), cancelled: "tie" };
  const status = element("span", `status ${placed.status}`, names[placed.status] ?? placed.status);
  if (placed.status === "pending") status.dataset.ends = placed.market.expiresAt ?? "";
  line.append(element("b", "", placed.market.title), status);
  const option = placed.market[`${placed.side}Option`];
  const paid = placed.status === "sold" ? placed.soldPayout : placed.actualPayout;
  const end = placed.status === "pending" ? `may pay ${credits(placed.remainingPayout)}` : `paid ${credits(paid ?? 0)}`;
  row.append(line, element("span", "what", `${credits(placed.amount)} on ${option} at ${percent(placed.oddsAtBet)}, ${end}`));
  if (placed.status === "pending") row.append(betActions(placed, option));
  return row;
}

function betActions(placed, option) {
  const box = element("div", "do");
  const action = (text, act) => {
    const button = element("button", "", text);
    button.type = "button";
    button.onclick = () => attempt(async () => {
      button.disabled = true;
      await act().finally(() => (button.disabled = false));
    });
    box.append(button);
  };
  action(`Sell for about ${credits(placed.currentValue)}`, async () => {
    await call(`/api/v1/bets/${placed.id}/sell`, { body: {}, signed: true });
    await showAccount();
  });
  if (simulated && placed.market.imageUrl.startsWith(document.body.dataset.simulator)) {
    action(`Decide now: ${option}`, () => decide(placed.marketId, placed.side));
  }
  return box;
}

async function decide(marketId, outcome) {
  await call(`/dev/markets/${marketId}/resolve`, { form: { outcome } });
  toast("Decided. Its bets are being paid.");
  skipped.add(marketId);
  markets = markets.filter((market) => market.id !== marketId);
  if (current?.id === marketId) nextCard();
  for (const delay of [300, 1000, 2500]) setTimeout(() => attempt(() => Promise.all([showAccount(), readEvents()])), delay);
}

// -- Events and stocks

async function readEvents() {
  const { events, now } = await call("/dev/events");
  clockAhead = new Date(now) - Date.now();
  const rows = events.map((event) => {
    const row = element("li", event.kind), words = element("div");
    const time = element("time", "", ago(new Date(now) - new Date(event.at)));
    if (shownEvents && !shownEvents.has(event.id)) row.classList.add("new");
    words.append(element("span", "", event.text), time);
    row.append(element("i", "dot"), words);
    return row;
  });
  shownEvents = new Set(events.map((event) => event.id));
  $("#events").replaceChildren(...rows);
  if (!rows.length) $("#events").append(element("li", "", "Nothing yet. The first markets end within a minute."));
}

async function readMails() {
  const { mails } = await call("/dev/mails");
  const rows = mails.map((mail) => {
    const row = element("li", "user"), words = element("div");
    const text = `${mail.subject}, to ${mail.to}`;
    const link = element("a", "", text);
    link.href = mail.link;
    words.append(mail.link ? link : element("span", "", text), element("time", "", mail.state));
    row.append(element("i", "dot"), words);
    return row;
  });
  $("#mails").replaceChildren(...rows);
  if (!rows.length) $("#mails").append(element("li", "", "None yet. Signing up sends one."));
}

function ago(milliseconds) {
  const seconds = Math.max(0, Math.round(milliseconds / 1000));
  if (seconds < 5) return "just now";
  if (seconds < 90) return `${seconds} s ago`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min ago`;
  return seconds < 172800 ? `${Math.round(seconds / 3600)} h ago` : `${Math.round(seconds / 86400)} days ago`;
}

async function readStocks() {
  const { stocks } = await call("/api/v1/economy/stocks");
  $("#stocks").replaceChildren(...stocks.map((stock) => {
    const row = element("li"), change = stock.priceChange24h;
    const kind = change > 0 ? "rise" : change < 0 ? "fall" : "";
    const sign = change > 0 ? "+" : "";
    row.append(element("b", "", stock.symbol), element("span", "", credits(stock.currentPrice)), element("small", kind, `${sign}${change} %`));
    return row;
  }));
}

// -- Beginning

for (const step of document.querySelectorAll(".step")) {
  const button = element("button", "", "Copy");
  button.type = "button";
  button.onclick = () => attempt(async () => {
    await navigator.clipboard.writeText(step.querySelector("pre").textContent);
    button.textContent = "Copied";
    setTimeout(() => (button.textContent = "Copy"), 1500);
  });
  step.querySelector("h3").append(button);
}
for (const button of document.querySelectorAll("#decide button")) {
  button.onclick = () => attempt(() => decide(current.id, button.dataset.outcome));
}
for (const stake of document.querySelectorAll("[name=stake]")) {
  stake.onchange = () => current && showOdds(current.thisOdds, current.thatOdds);
}
$("#bet-this").onclick = () => attempt(() => bet("this"));
$("#bet-that").onclick = () => attempt(() => bet("that"));
$("#skip").onclick = nextCard;
$("#sign-in").onclick = () => attempt(signIn);
$("#picture").onerror = (event) => event.target.removeAttribute("src");
document.addEventListener("keydown", (event) => {
  if (event.target.matches("input, textarea") || event.altKey || event.ctrlKey || event.metaKey) return;
  if (event.key === "ArrowRight") attempt(() => bet("this"));
  if (event.key === "ArrowLeft") attempt(() => bet("that"));
});
swipeable($("#card"));
setInterval(() => {
  if (!current) return;
  tellTime($("#ends"), current);
  $("#bet-this").disabled = $("#bet-that").disabled = secondsLeft(current) <= 0;
  showSoon();
  for (const status of document.querySelectorAll("[data-ends]")) status.textContent = remaining({ expiresAt: status.dataset.ends });
  if (secondsLeft(current) < -1) nextCard();
}, 1000);
every(5, readMarkets);
every(2.5, readOdds);
every(20, readPast);
every(2, readEvents);
every(3, showAccount);
every(5, readMails);
every(15, readStocks);
