import { z } from 'zod';

/** A moment in UTC, as `Date.prototype.toISOString` writes it. */
export const Timestamp = z.iso.datetime({ error: 'expected a time such as "2026-11-05T10:00:00Z"' });
