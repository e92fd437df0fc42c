/** As much of IAM as this project's policy uses; anything else in a policy is an error here, not a guess. */
import { z } from 'zod';

const Texts = z.union([z.string().transform((text) => [text]), z.array(z.string())]);
const Statement = z.strictObject({
  Sid: z.string(),
  Effect: z.literal('Allow'),
  Action: Texts,
  Resource: Texts,
});
export const IamPolicy = z
  .string()
  .transform((text): unknown => JSON.parse(text))
  .pipe(z.strictObject({ Version: z.literal('2012-10-17'), Statement: z.array(Statement) }));
export type IamPolicy = z.infer<typeof IamPolicy>;

/** One permission that a request needs. */
export interface Need {
  /** `s3:GetObject` */
  readonly action: string;
  /** An ARN. */
  readonly resource: string;
}

export function allows(policy: IamPolicy, { action, resource }: Need): boolean {
  return policy.Statement.some(
    ({ Action, Resource }) => Action.includes(action) && Resource.some((pattern) => isLike(resource, pattern)),
  );
}

/** `*` stands for any text, slashes too. */
function isLike(text: string, pattern: string): boolean {
  const parts = pattern.split('*').map((part) => part.replaceAll(/[.\\+?^${}()|[\]]/g, '\\$&'));
  return new RegExp(`^${parts.join('.*')}$`, 's').test(text);
}
