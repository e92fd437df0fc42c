/** Where an endpoint is: people paste its id, its base URL, or the URL of one of its calls. */
import { MillraceError } from '../errors.ts';

const RUNPOD_API = 'https://api.runpod.ai/v2';
const ENDPOINT_ID = /^[A-Za-z0-9][A-Za-z0-9_-]{0,127}$/;
const API_KEY_PREFIX = /^rpa_/i;
const LOOPBACK = /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/;

/**
 * The base URL, without a slash at its end, of an endpoint given as its id, its base URL, or that with `/run` or
 * `/runsync`. Throws CONFIG_INVALID. The text is never quoted, because what people paste there by mistake is a key.
 */
export function parseEndpoint(text: string): string {
  const trimmed = text.trim();
  if (API_KEY_PREFIX.test(trimmed)) throw invalid('It looks like an API key, and not like an endpoint.');
  if (ENDPOINT_ID.test(trimmed)) return `${RUNPOD_API}/${trimmed}`;
  const url = URL.parse(trimmed);
  if (url === null) throw invalid('It is neither an endpoint id nor a URL.');
  if (url.username !== '' || url.password !== '') throw invalid('Its URL holds a user name or password.');
  if (url.search !== '' || url.hash !== '') throw invalid('Its URL holds a query or a fragment.');
  if (url.protocol !== 'https:' && !(url.protocol === 'http:' && LOOPBACK.test(url.hostname))) {
    throw invalid('Its URL is not https://, and the API key would travel in the clear.');
  }
  const path = url.pathname.replace(/\/+$/, '').replace(/\/(run|runsync)$/, '');
  if (path === '') throw invalid('Its URL names no endpoint.');
  return `${url.origin}${path}`;
}

function invalid(why: string): MillraceError {
  return new MillraceError('CONFIG_INVALID', `A RunPod endpoint cannot be read. ${why}`, {
    fix: `Give the endpoint's id, or ${RUNPOD_API}/<id>.`,
  });
}
