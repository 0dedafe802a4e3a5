// The theme before the first paint: as chosen here, else as the system says.
(function () {
  var root = document.documentElement, dark = window.matchMedia("(prefers-color-scheme: dark)"), kept = null;
  try { kept = localStorage.getItem("theme"); } catch (e) { kept = null; }  // A browser may forbid it: the system decides.
  function set(theme) { root.setAttribute("data-theme", theme); }
  if (kept !== "dark" && kept !== "light") kept = null;
  set(kept || (dark.matches ? "dark" : "light"));
  dark.addEventListener("change", function (e) { if (!kept) set(e.matches ? "dark" : "light"); });
  document.addEventListener("DOMContentLoaded", function () {
    var button = document.getElementById("theme");
    if (!button) return;
    button.hidden = false;
    button.addEventListener("click", function () {
      kept = root.getAttribute("data-theme") === "dark" ? "light" : "dark";
      set(kept);
      try { localStorage.setItem("theme", kept); } catch (e) { return; }
    });
  });
})();
