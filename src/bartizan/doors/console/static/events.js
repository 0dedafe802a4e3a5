// Rows are chosen with x, a range of them with Shift; the bar says how many. Without this there are plain boxes.
(function () {
  "use strict";
  var bulk = document.getElementById("bulk");
  if (!bulk) return;
  var boxes = Array.prototype.slice.call(document.querySelectorAll('[name="exchange"][form="bulk"]'));
  var head = document.getElementById("pick-all"), all = bulk.querySelector('[name="all"]');
  var said = document.getElementById("picked"), asks = said.textContent, last = -1;

  function count() {
    var n = boxes.filter(function (box) { return box.checked; }).length, whole = all && all.checked;
    said.textContent = whole ? "The whole view is chosen." : n ? n + (n === 1 ? " event chosen." : " events chosen.") : asks;
    bulk.querySelectorAll("button").forEach(function (button) { button.disabled = !n && !whole; });
    head.checked = n > 0 && n === boxes.length;
    head.indeterminate = n > 0 && n < boxes.length;
  }
  // All from the last one to this one become as this one is.
  function range(at) {
    for (var n = Math.min(last, at); n <= Math.max(last, at); n++) boxes[n].checked = boxes[at].checked;
  }
  function took(at, far) {
    if (far && last >= 0) range(at);
    last = at;
    count();
  }
  boxes.forEach(function (box, at) {
    box.addEventListener("click", function (event) { took(at, event.shiftKey); });
  });
  // The cell is the target; a box alone is small. Shift would else mark the text between.
  document.querySelectorAll("td.k-pick").forEach(function (cell, at) {
    cell.addEventListener("mousedown", function (event) { if (event.shiftKey) event.preventDefault(); });
    cell.addEventListener("click", function (event) {
      if (event.target === cell) { boxes[at].checked = !boxes[at].checked; took(at, event.shiftKey); }
    });
  });
  head.hidden = false;
  head.addEventListener("change", function () {
    boxes.forEach(function (box) { box.checked = head.checked; });
    count();
  });
  if (all) all.addEventListener("change", count);
  document.addEventListener("keydown", function (event) {
    if (event.ctrlKey || event.metaKey || event.altKey || (event.key !== "x" && event.key !== "X")) return;
    if (/^(TEXTAREA|SELECT)$/.test(event.target.tagName) || event.target.matches("input:not([type=checkbox])")) return;
    var row = event.target.closest("tr[data-row]") || document.querySelector("tr[data-row].sel");
    var box = row && row.querySelector('[name="exchange"]');
    if (!box) return;
    event.preventDefault();
    box.checked = !box.checked;
    took(boxes.indexOf(box), event.key === "X");
  });
  window.addEventListener("pageshow", count);  // A browser that goes back ticks what was ticked.
  count();
})();
