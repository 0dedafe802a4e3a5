// Live: rows as they come, and never under somebody's eyes: who reads further down, points at a row or pauses has them
// wait behind a button. Everything here was rendered, and escaped, by the server.
(function () {
  "use strict";
  var card = document.querySelector("[data-stream]"), rows = document.getElementById("rows");
  if (!card || !card.dataset.stream || !window.EventSource) return;
  var MOST = 100, KEPT = 100, QUIET_S = 40;
  var state = document.getElementById("state"), rates = document.getElementById("rates"), none = document.getElementById("none");
  var pause = document.getElementById("pause"), waiting = document.getElementById("waiting"), count = document.getElementById("waiting-n");
  var source = null, after = card.dataset.after, tries = 0, heard = Date.now(), lostAt = 0, retryAt = 0, over = false;
  var paused = false, pointed = false, kept = [], more = 0;

  function clock(ms) { return new Date(ms).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false }); }
  function held() { return paused || pointed || document.hidden || window.scrollY > 160 || rows.contains(document.activeElement); }

  // ---- Rows
  function known(id) { return rows.querySelector('[data-x="' + CSS.escape(id) + '"]'); }
  function made(html) {
    var holder = document.createElement("template");
    holder.innerHTML = html;
    return Array.prototype.slice.call(holder.content.children);
  }
  function put(fresh, left) {  // newest first
    var before = document.createDocumentFragment(), few = fresh.length <= 5;
    fresh.forEach(function (row) {
      var old = known(row.dataset.x);
      if (old) { if (!old.contains(document.activeElement)) old.replaceWith(row); return; }  // Its answer came.
      if (few) row.classList.add("fresh");
      before.appendChild(row);
    });
    if (left > 0) {
      var gap = document.createElement("tr"), cell = document.createElement("td"), link = document.createElement("a");
      gap.className = "gap"; cell.colSpan = 7; link.className = "plain"; link.href = card.dataset.all;
      link.textContent = "and " + left.toLocaleString("en") + " more";
      cell.appendChild(link); gap.appendChild(cell); before.appendChild(gap);
    }
    rows.insertBefore(before, rows.firstChild);
    while (rows.children.length > MOST) rows.removeChild(rows.lastChild);
    if (rows.firstChild) none.hidden = true;
  }
  function come(told) {
    var fresh = made(told.html);
    if (!held() && !kept.length) { put(fresh, told.more); return; }
    var isNew = [];
    fresh.forEach(function (row) {
      var old = known(row.dataset.x), at = kept.findIndex(function (one) { return one.dataset.x === row.dataset.x; });
      if (old) { if (!old.contains(document.activeElement) && !old.matches(":hover")) old.replaceWith(row); }
      else if (at >= 0) kept[at] = row;
      else isNew.push(row);
    });
    kept = isNew.concat(kept);
    more += told.more + Math.max(0, kept.length - KEPT);
    kept.length = Math.min(kept.length, KEPT);
    tell();
  }
  function tell() {
    var n = kept.length + more;
    waiting.hidden = !n;
    count.textContent = n.toLocaleString("en") + (n === 1 ? " new row" : " new rows");
  }
  function show() {
    var fresh = kept, left = more;
    kept = []; more = 0;
    if (fresh.length || left) put(fresh, left);
    tell();
  }
  waiting.addEventListener("click", function () {
    if (document.activeElement && rows.contains(document.activeElement)) document.activeElement.blur();
    window.scrollTo(0, 0);
    show();
  });
  pause.addEventListener("click", function () {
    paused = !paused;
    pause.setAttribute("aria-pressed", String(paused));
    pause.firstChild.nodeValue = paused ? "Go on " : "Pause ";
    if (!paused) show();
    said();
  });
  rows.addEventListener("pointerenter", function () { pointed = true; });
  rows.addEventListener("pointerleave", function () { pointed = false; if (!held()) show(); });
  document.addEventListener("visibilitychange", function () { if (!held()) show(); });

  // ---- The connection
  function say(text, css) { if (state.textContent !== text) state.textContent = text; state.className = "state sub " + css; }
  function ago(ms) { var s = Math.max(1, Math.round(ms / 1000)); return s < 90 ? s + " s" : Math.round(s / 60) + " minutes"; }
  function said() {
    if (over) return;
    if (source && !lostAt) { say(paused ? "paused; it goes on behind" : "as it happens", paused ? "" : "on"); return; }
    if (!lostAt) return;
    var wait = Math.max(0, Math.ceil((retryAt - Date.now()) / 1000));
    say("Connection lost " + ago(Date.now() - lostAt) + " ago; what you see is from " + clock(heard) + ". " +
      (wait ? "Trying again in " + wait + " s." : "Trying again."), "lost");
  }
  function lost() {
    if (source) { source.close(); source = null; }
    if (over) return;
    lostAt = lostAt || Date.now();
    var wait = Math.min(30000, 1000 * Math.pow(2, tries)) * (0.75 + Math.random() / 2);
    tries += 1;
    retryAt = Date.now() + wait;
    setTimeout(tries > 1 ? look : connect, wait);
    said();
  }
  function end(text) {
    over = true;
    if (source) source.close();
    source = null;
    say(text, "lost");
  }
  // A session that ended answers with the sign-in page, which an EventSource cannot tell from a broken line.
  function look() {
    fetch("/live/stream?probe=1&q=" + encodeURIComponent('"'), { redirect: "manual", cache: "no-store" }).then(function (answer) {
      if (answer.type === "opaqueredirect" || answer.status === 403) end("You are signed out; what you see is from " + clock(heard) + ". Load the page again.");
      else connect();
    }, lost);
  }
  function connect() {
    if (over || source) return;
    source = new EventSource(card.dataset.stream + "&after=" + encodeURIComponent(after));
    source.onopen = function () { tries = 0; lostAt = 0; heard = Date.now(); said(); };
    source.onerror = lost;
    source.addEventListener("rows", function (event) {
      heard = Date.now();
      after = event.lastEventId || after;
      come(JSON.parse(event.data));
    });
    source.addEventListener("rates", function (event) {
      heard = Date.now();
      if (event.lastEventId) after = event.lastEventId;
      if (document.hidden) return;
      rates.innerHTML = JSON.parse(event.data).html;
      if (state.classList.contains("lost")) said();
    });
    source.addEventListener("trouble", function () { say("The record cannot be read; what you see is from " + clock(heard) + ".", "lost"); });
    source.addEventListener("late", lost);
    source.addEventListener("over", function () { end("You are signed out; what you see is from " + clock(heard) + ". Load the page again."); });
  }
  setInterval(function () {
    if (lostAt) said();
    else if (source && Date.now() - heard > QUIET_S * 1000) lost();  // Not even a heartbeat.
  }, 1000);
  document.getElementById("again").hidden = true;
  pause.hidden = false;
  window.addEventListener("pagehide", function () { over = true; if (source) source.close(); });
  window.addEventListener("pageshow", function (event) { if (event.persisted) location.reload(); });
  connect();
})();
