"use strict";
// Videos of one clip start together, from the beginning, and stop together; a line on the beats' chart says where they
// are, and a click on the chart takes them there.
for (const clip of document.querySelectorAll(".clip")) {
  const videos = [...clip.querySelectorAll("video")];
  const button = clip.querySelector("button.together");
  const line = clip.querySelector(".line");
  const playing = () => videos.some((video) => !video.paused && !video.ended);

  const show = () => {
    if (button) button.textContent = playing() ? "Pause" : "Play together";
    if (!line || !videos.length) return;
    const plane = line.querySelector(".plane").getBBox();
    const share = Math.min(1, videos[0].currentTime / Number(line.dataset.seconds));
    line.querySelector(".now").setAttribute("transform", `translate(${share * plane.width} 0)`);
    if (playing()) requestAnimationFrame(show);
  };
  for (const video of videos) {
    for (const name of ["play", "pause", "ended", "seeked"]) video.addEventListener(name, show);
  }
  button?.addEventListener("click", () => {
    if (playing()) {
      for (const video of videos) video.pause();
      return;
    }
    for (const video of videos) {
      video.currentTime = 0;
      video.play().catch(() => {});
    }
  });
  line?.querySelector("svg").addEventListener("click", (event) => {
    const plane = line.querySelector(".plane").getBoundingClientRect();
    const share = Math.min(1, Math.max(0, (event.clientX - plane.left) / plane.width));
    for (const video of videos) video.currentTime = share * Number(line.dataset.seconds);
  });
}
