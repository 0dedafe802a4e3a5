// A finding and its marks light each other; a list of actions closes when another opens.
(function () {
  "use strict";
  function light(event, on) {
    var from = event.target.closest && event.target.closest("[data-n]");
    var within = from && from.closest(".evidence");
    if (!within) return;
    within.querySelectorAll('[data-n="' + from.getAttribute("data-n") + '"]').forEach(function (one) {
      one.classList.toggle("lit", on);
    });
  }
  document.addEventListener("mouseover", function (event) { light(event, true); });
  document.addEventListener("mouseout", function (event) { light(event, false); });
  document.addEventListener("focusin", function (event) { light(event, true); });
  document.addEventListener("focusout", function (event) { light(event, false); });
  document.querySelectorAll("details.act").forEach(function (one) {
    one.addEventListener("toggle", function () {
      if (one.open) document.querySelectorAll("details.act[open]").forEach(function (other) { if (other !== one) other.open = false; });
    });
  });
  document.addEventListener("keydown", function (event) {
    if (event.key === "Escape") document.querySelectorAll("details.act[open], details.take[open]").forEach(function (one) { one.open = false; });
  });
})();
