// A day over the hill behind the house, drawn picture by picture, and encoded in the order in which it is drawn.
// `film(settings)` gives [{key, data}], data in base64.

// Mulberry32: the same numbers everywhere.
function randomFrom(seed) {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let mixed = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

// Hour of the day, upper and lower colour of the sky, how much light there is.
const SKIES = [
  [0, [16, 24, 48], [34, 46, 74], 0.22], [5, [34, 44, 84], [150, 110, 110], 0.35],
  [7, [128, 170, 204], [250, 208, 160], 0.8], [12, [120, 180, 216], [222, 236, 232], 1],
  [17, [122, 160, 196], [250, 214, 160], 0.85], [19.5, [62, 62, 110], [236, 128, 84], 0.5],
  [21.5, [20, 28, 58], [56, 52, 84], 0.25], [24, [16, 24, 48], [34, 46, 74], 0.22],
];

function skyAt(hour) {
  const next = Math.max(1, SKIES.findIndex(([from]) => from >= hour));
  const [before, after] = [SKIES[next - 1], SKIES[next]];
  const part = (hour - before[0]) / (after[0] - before[0]);
  const between = (from, to) => from + (to - from) * part;
  const colours = [1, 2].map((row) => before[row].map((value, place) => between(value, after[row][place])));
  return {top: colours[0], bottom: colours[1], light: between(before[3], after[3])};
}

const css = (colour, light = 1) => `rgb(${colour.map((value) => Math.round(value * light)).join(" ")})`;

function scenery(width, height) {
  const random = randomFrom(11);
  const waves = [0, 1, 2].map(() => [1, 2, 3, 5, 8].map((times) => [times, random() * 7, random() / times]));
  return {
    ridges: waves.map((wave, depth) => (x) => {
      const swing = wave.reduce((sum, [times, shift, size]) => sum + size * Math.sin((x / width) * 4 * times + shift), 0);
      return height * (0.58 + 0.13 * depth - 0.045 * swing);
    }),
    stars: Array.from({length: 90}, () => [random() * width, random() * height * 0.6, 0.5 + random(), random() * 7]),
    clouds: Array.from({length: 7}, () => [random() * width, height * (0.08 + 0.3 * random()), 0.6 + random(), 6 + 10 * random()]),
    birds: Array.from({length: 9}, () => [random(), random() * 60 - 30, random() * 7, 0.7 + random() * 0.6]),
    grass: Array.from({length: 420}, () => [random() * width, height * (0.9 + 0.1 * random()), 8 + 16 * random(), random() * 7]),
  };
}

function drawSky(to, scene, hour, second, {width, height}) {
  const sky = skyAt(hour);
  const shade = to.createLinearGradient(0, 0, 0, height * 0.8);
  shade.addColorStop(0, css(sky.top));
  shade.addColorStop(1, css(sky.bottom));
  to.fillStyle = shade;
  to.fillRect(0, 0, width, height);
  for (const [x, y, size, shift] of scene.stars) {
    to.fillStyle = `rgb(255 250 230 / ${Math.max(0, 0.75 - sky.light) * (0.8 + 0.4 * Math.sin(second * 4 + shift))})`;
    to.fillRect(x, y, size * 1.6, size * 1.6);
  }
  const lamp = (from, hours, radius, colour) => {
    const way = (hour - from + 24) % 24 / hours;
    to.fillStyle = colour;
    to.beginPath();
    to.arc(width * (0.04 + 0.92 * way), height * (0.72 - 0.58 * Math.sin(Math.PI * Math.min(way, 1.2))), radius, 0, 7);
    to.fill();
  };
  lamp(5.5, 14.5, height * 0.07, "#f6c878");
  lamp(20, 9.5, height * 0.045, "#e8e6d6");
  for (const [x, y, size, speed] of scene.clouds) {
    to.fillStyle = `rgb(255 252 244 / ${0.15 + 0.45 * sky.light * sky.light})`;
    const left = ((x + second * speed * 2) % (width * 1.3)) - width * 0.15;
    for (const [across, up, radius] of [[-26, 0, 14], [-8, -8, 19], [14, -4, 17], [32, 2, 11]]) {
      to.beginPath();
      to.ellipse(left + across * size, y + up * size, radius * size, radius * size * 0.6, 0, 0, 7);
      to.fill();
    }
  }
  return sky.light;
}

function drawLand(to, scene, light, {width, height}) {
  const greens = [[178, 200, 190], [134, 168, 150], [88, 130, 106]];
  scene.ridges.forEach((ridge, depth) => {
    to.fillStyle = css(greens[depth], light);
    to.beginPath();
    to.moveTo(0, height);
    for (let x = 0; x <= width; x += 2) to.lineTo(x, ridge(x));
    to.lineTo(width, height);
    to.fill();
  });
}

function drawHouse(to, scene, light, second, {width}) {
  const left = width * 0.62;
  const foot = scene.ridges[2](left + 35) + 10;
  for (let puff = 0; puff < 9; puff += 1) {
    const age = (second * 0.5 + puff / 9) % 1;
    to.fillStyle = `rgb(${css([236, 236, 232], 0.4 + 0.6 * light).slice(4, -1)} / ${0.5 * (1 - age)})`;
    to.beginPath();
    to.arc(left + 56 + age * 46 + 5 * Math.sin(second * 2 + puff), foot - 78 - age * 74, 4 + age * 13, 0, 7);
    to.fill();
  }
  to.fillStyle = css([238, 228, 208], light);
  to.fillRect(left, foot - 42, 72, 42);
  to.fillStyle = css([180, 83, 42], light);
  to.fillRect(left + 50, foot - 76, 12, 26);
  to.beginPath();
  to.moveTo(left - 8, foot - 40);
  to.lineTo(left + 36, foot - 72);
  to.lineTo(left + 80, foot - 40);
  to.fill();
  const flicker = 0.85 + 0.15 * Math.sin(second * 9) * Math.sin(second * 5.3);
  const glass = light < 0.6 ? css([255, 206, 112], flicker) : css([120, 140, 140], light);
  for (const place of [10, 48]) {
    to.fillStyle = glass;
    to.fillRect(left + place, foot - 32, 14, 14);
  }
  to.fillStyle = css([92, 62, 44], light);
  to.fillRect(left + 30, foot - 26, 12, 26);
}

function drawLife(to, scene, light, second, seconds, {width, height}) {
  to.strokeStyle = css([60, 66, 70], light);
  to.lineWidth = 1.6;
  for (const [late, up, shift, size] of scene.birds) {
    const x = width * (1.6 * ((second / seconds) * 2 + late * 0.25) % 1.6 - 0.3);
    const y = height * 0.3 + up + 8 * Math.sin(second + shift);
    const flap = 5 * Math.sin(second * 9 + shift) * size;
    to.beginPath();
    to.moveTo(x - 9 * size, y - flap);
    to.quadraticCurveTo(x - 3 * size, y - 2, x, y);
    to.quadraticCurveTo(x + 3 * size, y - 2, x + 9 * size, y - flap);
    to.stroke();
  }
  scene.grass.forEach(([x, y, length, shift], place) => {
    const lean = length * 0.5 * Math.sin(second * 1.8 + x / 60 + shift * 0.15);
    to.strokeStyle = css([[70, 112, 78], [104, 140, 84], [150, 156, 90]][place % 3], light);
    to.beginPath();
    to.moveTo(x, y + length * 0.4);
    to.quadraticCurveTo(x, y - length * 0.5, x + lean, y - length);
    to.stroke();
  });
}

async function film({width, height, frame_ms, seconds, key_every, codec, bits_per_s}) {
  const found = [];
  const failed = [];
  const encoder = new VideoEncoder({
    output: (chunk) => {
      const bytes = new Uint8Array(chunk.byteLength);
      chunk.copyTo(bytes);
      let text = "";
      for (const byte of bytes) text += String.fromCharCode(byte);
      found.push({key: chunk.type === "key", data: btoa(text)});
    },
    error: (problem) => failed.push(problem),
  });
  encoder.configure({codec, width, height, bitrate: bits_per_s, framerate: 1000 / frame_ms, latencyMode: "realtime"});
  const canvas = new OffscreenCanvas(width, height);
  const to = canvas.getContext("2d");
  const [scene, size] = [scenery(width, height), {width, height}];
  for (let number = 0; number * frame_ms < seconds * 1000; number += 1) {
    const second = (number * frame_ms) / 1000;
    const light = drawSky(to, scene, (4 + (24 * second) / seconds) % 24, second, size);
    drawLand(to, scene, light, size);
    drawHouse(to, scene, light, second, size);
    drawLife(to, scene, light, second, seconds, size);
    const picture = new VideoFrame(canvas, {timestamp: number * frame_ms * 1000, duration: frame_ms * 1000});
    encoder.encode(picture, {keyFrame: number % key_every === 0});
    picture.close();
    while (encoder.encodeQueueSize > 4 && !failed.length) await new Promise((done) => setTimeout(done, 5));
    if (failed.length) throw failed[0];
  }
  await encoder.flush();
  return found;
}
