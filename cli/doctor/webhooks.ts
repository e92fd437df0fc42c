/** Whether webhooks can be sent: the secret, and an address that the guard lets through. Nothing is sent. */
import { asMillraceError } from '../../errors.ts';
import { classifyAddress } from '../../storage/addresses.ts';
import { checkTarget, readAllowedHosts, resolveHost } from '../../storage/fetch-target.ts';
import { webhookSettings } from '../webhook-settings.ts';
import type { Check } from './check.ts';
import { ok, wrong } from './finding.ts';

export const webhooks: Check = {
  name: 'webhooks',
  needs: [],
  fix: 'Correct MILLRACE_WEBHOOK_URL and MILLRACE_WEBHOOK_SECRET: docs/webhooks.md.',
  async run({ config }) {
    const settings = webhookSettings(config);
    if (settings === undefined) return [ok('no secret is set, so nobody is called when a job ends (docs/webhooks.md)')];
    if (settings.operator === null) {
      const whose = config.MILLRACE_JOB_WEBHOOKS
        ? 'jobs that bring webhooks.json are called with the secret'
        : 'MILLRACE_JOB_WEBHOOKS is false: nobody is called';
      return [ok(`no MILLRACE_WEBHOOK_URL; ${whose}`)];
    }
    const allowed = readAllowedHosts(config.HTTP_ALLOW_HOSTS);
    // The address may hold a token: only its host is named.
    let url: URL;
    try {
      url = checkTarget(settings.operator.url, allowed);
    } catch (thrown) {
      const { message, fix } = asMillraceError(thrown);
      return [wrong(`MILLRACE_WEBHOOK_URL: ${message}`, fix ?? webhooks.fix)];
    }
    if (allowed.has(url.hostname) || allowed.has(url.host)) return [ok(`${url.host} is called; HTTP_ALLOW_HOSTS names it`)];
    const addresses = await resolveHost(url.hostname.replace(/^\[(.*)\]$/, '$1')).catch(() => []);
    if (addresses.length === 0)
      return [wrong(`MILLRACE_WEBHOOK_URL: ${url.hostname} has no address`, 'Correct the host, or the name server.')];
    const kinds = new Set(addresses.map(({ address }) => classifyAddress(address)));
    if (!kinds.has('public')) {
      const found = `MILLRACE_WEBHOOK_URL: ${url.hostname} is ${[...kinds].join(', ')}, and such addresses are not called`;
      return [wrong(found, `Where that host is meant: HTTP_ALLOW_HOSTS=${url.hostname}`)];
    }
    return [ok(`${url.host} is called; whether it answers is not tried, because that would be a call`)];
  },
};
