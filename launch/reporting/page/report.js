"use strict";
// Videos of one clip start together, from the beginning, and stop together.
for (const button of document.querySelectorAll("button.together")) {
  const videos = [...button.closest(".clip").querySelectorAll("video")];
  button.addEventListener("click", () => {
    if (videos.some((video) => !video.paused && !video.ended)) {
      for (const video of videos) video.pause();
      return;
    }
    for (const video of videos) {
      video.currentTime = 0;
      video.play().catch(() => {});
    }
  });
  const say = () => {
    const plays = videos.some((video) => !video.paused && !video.ended);
    button.textContent = plays ? "Pause" : "Play together";
  };
  for (const video of videos) for (const name of ["play", "pause", "ended"]) video.addEventListener(name, say);
}
