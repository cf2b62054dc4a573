"use strict";
(() => {
  const known = JSON.parse(document.getElementById("known").textContent);
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const drawn = new Set();

  function themed(figure) {
    const style = getComputedStyle(document.documentElement);
    const color = (name) => style.getPropertyValue(name).trim();
    const axis = { gridcolor: color("--line"), linecolor: color("--line"), zerolinecolor: color("--line") };
    const template = {
      layout: {
        paper_bgcolor: "rgba(0,0,0,0)",
        plot_bgcolor: "rgba(0,0,0,0)",
        font: { color: color("--text"), family: getComputedStyle(document.body).fontFamily, size: 12 },
        xaxis: axis,
        yaxis: axis,
        hoverlabel: { bgcolor: color("--card"), bordercolor: color("--line"), font: { color: color("--text") } },
        modebar: { bgcolor: "rgba(0,0,0,0)", color: color("--faint"), activecolor: color("--mark") },
      },
    };
    return [figure.data, { ...figure.layout, template, autosize: true }];
  }

  function config(figure) {
    const flat = figure.layout.xaxis && figure.layout.xaxis.visible !== false;
    const buttons = flat ? ["toImage", "zoom2d", "pan2d", "resetScale2d"] : ["toImage"];
    return { responsive: true, displaylogo: false, modeBarButtons: [buttons], displayModeBar: figure.data.length ? "hover" : false };
  }

  function draw(place) {
    const figure = known.figures[place.dataset.figure];
    if (!figure) { place.hidden = true; return; }
    place.hidden = false;
    const [data, layout] = themed(figure);
    drawn.add(place);
    // A copy: Plotly writes into what it is given.
    Plotly.react(place, structuredClone(data), structuredClone(layout), config(figure));
  }

  const places = document.querySelectorAll(".figure");
  for (const place of places) {
    const figure = known.figures[place.dataset.figure];
    if (figure && figure.layout.height) { place.style.minHeight = figure.layout.height + "px"; }
  }
  const seen = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      if (entry.isIntersecting) { seen.unobserve(entry.target); draw(entry.target); }
    }
  }, { rootMargin: "400px" });
  for (const place of places) { seen.observe(place); }
  dark.addEventListener("change", () => { for (const place of drawn) { draw(place); } });
  addEventListener("beforeprint", () => { for (const place of places) { if (!drawn.has(place)) { draw(place); } } });

  const standing = document.getElementById("standing");
  async function ask(version) {
    let pause = 1000;
    try {
      const answer = await fetch(`${known.live}?after=${version}`, { cache: "no-store" });
      if (answer.status === 200) {
        version = answer.headers.get("X-Version");
        const news = await answer.json();
        known.figures = news.figures;
        for (const [name, html] of Object.entries(news.texts)) {
          const place = document.querySelector(`[data-text="${CSS.escape(name)}"]`);
          if (place) { place.innerHTML = html; }
        }
        standing.textContent = news.standing;
        for (const place of drawn) { draw(place); }
      } else if (answer.status !== 204) {
        throw new Error(answer.statusText);
      }
    } catch (error) {
      standing.textContent = "shoal watch has ended; what is shown is the last that it told";
      pause = 5000;
    }
    setTimeout(() => ask(version), pause);
  }
  if (known.live) { ask(""); }
})();
