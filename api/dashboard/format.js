/** Figures as people read them. Pure. */

const BYTES_PER_STEP = 1000;
const BYTE_UNITS = ['kB', 'MB', 'GB', 'TB'];
const MINUTE = 60;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** @param {number} bytes */
export function bytesText(bytes) {
  if (bytes < BYTES_PER_STEP) return `${bytes} B`;
  let value = bytes;
  let unit = -1;
  // 999,950 bytes would round up to 1000.0 kB.
  while (value >= BYTES_PER_STEP - 0.05 && unit < BYTE_UNITS.length - 1) {
    value /= BYTES_PER_STEP;
    unit += 1;
  }
  return `${value.toFixed(1)} ${BYTE_UNITS[unit]}`;
}

/**
 * `42 s of GPU, $0.0130`: no price where none is set, and what was not measured is said. Empty before anything was.
 * @param {{ readonly gpu_sec: number, readonly usd: number | null, readonly unmeasured: number, readonly usd_per_output_minute: number | null }} cost
 */
export function costText({ gpu_sec: seconds, usd, unmeasured, usd_per_output_minute: perMinute }) {
  if (seconds === 0 && unmeasured === 0) return '';
  const price = usd === null ? [] : [`about $${dollars(usd)}`];
  const each = perMinute === null ? [] : [`$${dollars(perMinute)} a minute of output`];
  const rest = unmeasured === 0 ? [] : [`${plural(unmeasured, 'attempt')} unmeasured`];
  return [`${seconds.toFixed(seconds < 10 ? 1 : 0)} s of GPU`, ...price, ...each, ...rest].join(', ');
}

/** Two digits that say something: most jobs cost cents. @param {number} usd */
const dollars = (usd) => (usd >= 1 ? usd.toFixed(2) : usd.toPrecision(2));

/** The API begins its details in lower case, as log lines do. @param {string} text */
export const sentence = (text) => text.slice(0, 1).toUpperCase() + text.slice(1);

/** @param {number} count */
export const countText = (count) => count.toLocaleString('en-US');

/** `1 item`, `2 items`. @param {number} count @param {string} one @param {string} [many] */
export const plural = (count, one, many = `${one}s`) => `${countText(count)} ${count === 1 ? one : many}`;

/** How long ago, or in how long. @param {string} iso @param {number} nowMs */
export function relativeText(iso, nowMs) {
  const seconds = Math.round((nowMs - Date.parse(iso)) / 1000);
  const span = Math.abs(seconds);
  if (span < 5) return 'now';
  const text = spanText(span);
  return seconds < 0 ? `in ${text}` : `${text} ago`;
}

/** @param {number} seconds */
function spanText(seconds) {
  if (seconds < MINUTE) return `${seconds} s`;
  if (seconds < HOUR) return `${Math.floor(seconds / MINUTE)} min`;
  if (seconds < DAY) return `${Math.floor(seconds / HOUR)} h`;
  return plural(Math.floor(seconds / DAY), 'day');
}

/** `2026-11-27 06:26:42 UTC`: the zone of the logs, so that both can be compared. @param {string} iso */
export const utcText = (iso) => `${iso.slice(0, 10)} ${iso.slice(11, 19)} UTC`;

/** `3:07`, `1:02:03`. @param {number} seconds */
export function clockText(seconds) {
  const whole = Math.max(0, Math.floor(Number.isFinite(seconds) ? seconds : 0));
  const two = (/** @type {number} */ value) => String(value).padStart(2, '0');
  const minutes = Math.floor(whole / MINUTE) % 60;
  const hours = Math.floor(whole / HOUR);
  return hours > 0 ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
}

/** JSON in lines, anything else as it is. @param {string} text */
export function prettyText(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}
