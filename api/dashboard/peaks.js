/** The shape of a sound: how loud each part of it is. Pure. */

/**
 * The largest distance from silence in each of `count` equal parts, from 0 to 1.
 * @param {Float32Array} samples
 * @param {number} count
 * @returns {Float32Array}
 */
export function peaksOf(samples, count) {
  const peaks = new Float32Array(count);
  for (let part = 0; part < count; part += 1) {
    const start = Math.floor((part * samples.length) / count);
    const end = Math.max(start + 1, Math.floor(((part + 1) * samples.length) / count));
    let peak = 0;
    for (let at = start; at < end && at < samples.length; at += 1) peak = Math.max(peak, Math.abs(samples[at] ?? 0));
    peaks[part] = Math.min(1, peak);
  }
  return peaks;
}

/**
 * Where of a recording somebody wants to be.
 * @param {string} key as a KeyboardEvent names it
 * @param {number} seconds where it is
 * @param {number} duration in seconds
 * @returns {number | null} null for a key that means nothing here
 */
export function seekByKey(key, seconds, duration) {
  const steps = new Map([
    ['ArrowRight', 5],
    ['ArrowUp', 5],
    ['ArrowLeft', -5],
    ['ArrowDown', -5],
    ['PageUp', 30],
    ['PageDown', -30],
  ]);
  if (key === 'Home') return 0;
  if (key === 'End') return duration;
  const step = steps.get(key);
  return step === undefined ? null : Math.min(duration, Math.max(0, seconds + step));
}
