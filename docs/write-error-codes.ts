/** `node docs/write-error-codes.ts`: writes `docs/error-codes.md` from the table in `errors.ts`. */
import { writeFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { ERROR_CODES } from '../errors.ts';

export const ERROR_CODES_PAGE = new URL('./error-codes.md', import.meta.url);

/** The page as Markdown. */
export function errorCodesPage(): string {
  const rows = Object.entries(ERROR_CODES)
    .sort(([left], [right]) => (left < right ? -1 : 1))
    .map(([code, { meaning, retryable }]) => `| \`${code}\` | ${meaning.replaceAll('|', '\\|')} | ${retryable ? 'yes' : 'no'} |`);
  return [
    '# Error codes',
    '',
    '<!-- Made from errors.ts by `node docs/write-error-codes.ts`: change it there. -->',
    '',
    'Every error that Millrace reports carries one of these codes: in logs, in problem objects (`problems/…`), in failed',
    'results (`results/…`) and in answers of the API. Codes are stable; alerts and runbooks may rely on them.',
    '',
    '“Retry helps” says whether doing the same thing again, unchanged, can succeed. One occurrence may differ from the',
    'rule: the `retryable` beside it decides.',
    '',
    '| code | meaning | retry helps |',
    '| --- | --- | --- |',
    ...rows,
    '',
  ].join('\n');
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) writeFileSync(ERROR_CODES_PAGE, errorCodesPage());
