/** A file of a job as people want it: a recording plays, a picture is seen, everything is there to download. */
import { h } from './element.js';
import { bytesText } from './format.js';
import { waveform } from './waveform.js';

/** @typedef {import('zod').infer<typeof import('../documents/job.ts').JobFile>} JobFile */

/** Larger pictures are fetched on a click only. */
const MAX_THUMBNAIL_BYTES = 8_000_000;
/** A frame that is no longer black, most of the time. */
const POSTER_AT = '#t=0.5';

/** What can be done with a file in the page. @param {JobFile} file @returns {'video' | 'audio' | 'image' | 'text' | null} */
export function kindOf({ media_type: type }) {
  for (const kind of /** @type {const} */ (['video', 'audio', 'image', 'text'])) if (type.startsWith(`${kind}/`)) return kind;
  return null;
}

/** @param {JobFile} file */
export function player(file) {
  const { key, href } = file;
  const name = key.split('/').at(-1) ?? key;
  switch (kindOf(file)) {
    case 'video':
      return h(
        'div',
        { class: 'player' },
        withFault(h('video', { controls: true, preload: 'metadata', src: `${href}${POSTER_AT}`, 'aria-label': name })),
      );
    case 'audio': {
      const audio = h('audio', { controls: true, preload: 'metadata', src: href, 'aria-label': name });
      return h('div', { class: 'player' }, waveform(audio, file, name), withFault(audio));
    }
    case 'image':
      return h('div', { class: 'player' }, h('img', { src: href, alt: name }));
    default:
      return h('p', { class: 'faint' }, 'This page cannot show it.');
  }
}

/** @param {HTMLMediaElement} media */
function withFault(media) {
  const note = h('p', { class: 'faint' });
  media.addEventListener('error', () => {
    note.textContent = `This browser cannot play it (${media.error?.message || 'no codec for it, or the file is gone'}). Download it instead.`;
  });
  return h('div', {}, media, note);
}

/**
 * A small picture of a file, fetched once it comes into sight; null where that would not be cheap.
 * @param {JobFile} file
 */
export function thumbnail(file) {
  const kind = kindOf(file);
  if (kind === 'image' && file.size_bytes <= MAX_THUMBNAIL_BYTES) {
    return h('img', { class: 'thumbnail', loading: 'lazy', alt: '', src: file.href });
  }
  if (kind !== 'video') return null;
  // The browser reads the index and one frame by ranges, not the whole.
  const video = h('video', { class: 'thumbnail', preload: 'none', muted: true, tabindex: -1, 'aria-hidden': 'true' });
  const observer = new IntersectionObserver((seen) => {
    if (!seen.some(({ isIntersecting }) => isIntersecting)) return;
    observer.disconnect();
    video.preload = 'metadata';
    video.src = `${file.href}${POSTER_AT}`;
  });
  observer.observe(video);
  return video;
}

/** @param {JobFile} file */
export function downloadLink({ href, key, size_bytes: sizeBytes }) {
  const name = key.split('/').at(-1) ?? key;
  return h(
    'a',
    { href: `${href}?download=true`, download: name, 'aria-label': `Download ${name}`, class: 'download' },
    `↓ ${bytesText(sizeBytes)}`,
  );
}
