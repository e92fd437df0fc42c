/** `/session`: a browser's way in. An EventSource, an image and a video cannot send a bearer token; a cookie goes by itself. */
import { z } from 'zod';
import { Time } from './jobs.ts';

export const SessionRequest = z.strictObject({ token: z.string().min(1).max(512) }).meta({ id: 'SessionRequest' });

export const SessionView = z
  .object({
    authenticated: z.boolean(),
    by: z.enum(['token', 'session', 'none']).describe('none: not at all, or this API asks nobody (loopback without tokens).'),
    expires_at: Time.nullable().describe('Of the session; null for a token.'),
  })
  .meta({ id: 'Session' });
