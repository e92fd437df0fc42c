/** A recording's shape over time. A click in it goes there; with the keyboard it is a slider. */
import { h, setText } from './element.js';
import { bytesText, clockText } from './format.js';
import { peaksOf, seekByKey } from './peaks.js';

/** A decoded recording is in memory whole. */
const MAX_BYTES = 48_000_000;
/** Enough for a shape, and a sixth of the memory. */
const SAMPLE_RATE_HZ = 8_000;
const PARTS = 1_000;

/**
 * @param {HTMLAudioElement} audio
 * @param {{ readonly href: string, readonly size_bytes: number }} file
 * @param {string} label
 */
export function waveform(audio, { href, size_bytes: sizeBytes }, label) {
  const note = h('p', { class: 'faint' });
  if (sizeBytes > MAX_BYTES) {
    setText(note, `No waveform for more than ${bytesText(MAX_BYTES)}; it plays all the same.`);
    return note;
  }
  const canvas = h('canvas', {
    ...{ class: 'waveform', role: 'slider', tabindex: 0, 'aria-label': `Position in ${label}`, 'aria-valuemin': 0 },
    ...{ 'aria-valuemax': 0, 'aria-valuenow': 0, 'aria-valuetext': '0:00', 'data-state': 'loading' },
  });
  setText(note, 'Reading the waveform …');
  const element = h('div', {}, canvas, note);
  /** @type {Float32Array | undefined} */
  let peaks;

  function draw() {
    const { clientWidth: width, clientHeight: height } = canvas;
    if (peaks === undefined || width === 0) return;
    const scale = devicePixelRatio;
    canvas.width = width * scale;
    canvas.height = height * scale;
    const context = canvas.getContext('2d');
    if (context === null) return;
    const style = getComputedStyle(canvas);
    const [played, rest] = [style.getPropertyValue('accent-color'), style.color];
    const position = audio.duration > 0 ? audio.currentTime / audio.duration : 0;
    context.scale(scale, scale);
    for (let x = 0; x < width; x += 1) {
      const peak = peaks[Math.floor((x / width) * peaks.length)] ?? 0;
      const size = Math.max(1, peak * (height - 2));
      context.fillStyle = x / width < position ? played : rest;
      context.fillRect(x, (height - size) / 2, 1, size);
    }
    context.fillStyle = played;
    context.fillRect(Math.min(width - 2, position * width), 0, 2, height);
  }

  function tell() {
    const duration = Number.isFinite(audio.duration) ? audio.duration : 0;
    canvas.setAttribute('aria-valuemax', String(Math.round(duration)));
    canvas.setAttribute('aria-valuenow', String(Math.round(audio.currentTime)));
    canvas.setAttribute('aria-valuetext', `${clockText(audio.currentTime)} of ${clockText(duration)}`);
    draw();
  }

  async function read() {
    try {
      const response = await fetch(href, { credentials: 'same-origin' });
      if (!response.ok) throw new Error(`the file cannot be read (${response.status})`);
      const bytes = await response.arrayBuffer();
      // An offline context decodes without asking for the speakers, which a browser allows after a click only.
      const decoded = await new OfflineAudioContext(1, 1, SAMPLE_RATE_HZ).decodeAudioData(bytes);
      peaks = peaksOf(decoded.getChannelData(0), PARTS);
      setText(note, '');
      canvas.dataset.state = 'drawn';
      draw();
    } catch (thrown) {
      canvas.remove();
      setText(note, `No waveform: ${thrown instanceof Error ? thrown.message : thrown}`);
    }
  }

  canvas.addEventListener('click', (event) => {
    if (audio.duration > 0) audio.currentTime = (event.offsetX / canvas.clientWidth) * audio.duration;
  });
  canvas.addEventListener('keydown', (event) => {
    if (event.key === ' ') {
      event.preventDefault();
      void (audio.paused ? audio.play() : audio.pause());
      return;
    }
    const seconds = seekByKey(event.key, audio.currentTime, audio.duration);
    if (seconds === null || !(audio.duration > 0)) return;
    event.preventDefault();
    audio.currentTime = seconds;
  });
  for (const name of ['timeupdate', 'seeked', 'loadedmetadata']) audio.addEventListener(name, tell);
  new ResizeObserver(draw).observe(canvas);
  void read();
  return element;
}
