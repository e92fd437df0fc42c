/** `/healthz` and `/readyz`. */
import { z } from 'zod';

export const Health = z
  .object({ status: z.enum(['ok', 'stopping', 'unavailable']), detail: z.string().nullable() })
  .meta({ id: 'Health' });
