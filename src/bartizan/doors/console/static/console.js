// Keys, copying, and nothing that a page cannot do without it.
(function () {
  "use strict";
  var going = false, goTo = { o: "/", l: "/live", e: "/events", r: "/review", u: "/use", m: "/models", p: "/policy", d: "/ledger", s: "/settings" };

  function typing(target) {
    return target.isContentEditable || (/^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName) && !/^(checkbox|radio)$/.test(target.type));
  }
  // A page marks what a key does with data-key; rows that j and k walk with data-row.
  function rows() { return Array.prototype.slice.call(document.querySelectorAll("[data-row]")); }
  function move(by) {
    var all = rows(), at = all.findIndex(function (row) { return row.classList.contains("sel"); });
    if (!all.length) return;
    at = Math.max(0, Math.min(all.length - 1, at < 0 ? 0 : at + by));
    all.forEach(function (row, n) { row.classList.toggle("sel", n === at); });
    var link = all[at].matches("a") ? all[at] : all[at].querySelector("a");
    if (link) link.focus();
    all[at].scrollIntoView({ block: "nearest" });
  }
  document.addEventListener("keydown", function (event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    if (event.key === "Escape") {
      if (typing(event.target)) event.target.blur();
      document.querySelectorAll("dialog[open]").forEach(function (one) { one.close(); });
      return;
    }
    if (typing(event.target)) return;
    var key = event.key;
    if (going) {
      going = false;
      if (goTo[key]) { event.preventDefault(); location.href = goTo[key]; }
      return;
    }
    if (key === "g") { going = true; setTimeout(function () { going = false; }, 1500); return; }
    if (key === "/") {
      var box = document.getElementById("q");
      if (box) { event.preventDefault(); box.focus(); box.select(); }
      return;
    }
    if (key === "j") { move(1); return; }
    if (key === "k") { move(-1); return; }
    if (key === "?") { document.querySelectorAll("#keys").forEach(function (one) { one.showModal(); }); return; }
    var wanted = document.querySelector('[data-key="' + CSS.escape(key) + '"]');
    if (wanted && !wanted.disabled) {
      event.preventDefault();
      if (wanted.tagName === "DETAILS") { wanted.open = true; var first = wanted.querySelector("textarea, input:not([type=hidden]), select, button"); if (first) first.focus(); }
      else wanted.click();
    }
  });

  // Suggestions go on from what was typed: the server's from what stood in the box when the page was made.
  var box = document.getElementById("q"), list = document.getElementById("suggested");
  if (box && list) {
    var words = /^([\s\S]*\s)?\S*$/, first = (box.value.trim() ? box.value.trim() + " " : "");
    var terms = Array.prototype.map.call(list.options, function (one) { return one.value.slice(one.value.indexOf(first) === 0 ? first.length : 0); });
    box.addEventListener("input", function (event) {
      if (event.inputType === "insertReplacementText" || !event.inputType) return;
      var before = (words.exec(box.value) || [])[1] || "";
      if (list.dataset.before === before) return;
      list.dataset.before = before;
      terms.forEach(function (term, n) { list.options[n].value = before + term; });
    });
  }

  document.addEventListener("click", function (event) {
    var code = event.target.closest("[data-copy]");
    if (!code || !navigator.clipboard) return;
    navigator.clipboard.writeText(code.getAttribute("data-copy")).then(function () {
      var said = document.getElementById("said");
      if (said) said.textContent = "Copied.";
    });
  });
})();
