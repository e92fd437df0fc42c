/** The code blocks of the Markdown pages: what the suites of this folder run, so that no page says what does not work. */
import { readFileSync } from 'node:fs';
import { lexer, type Token, walkTokens } from 'marked';

export interface CodeBlock {
  /** What stands behind the backticks, such as `sh` or `json segments.json`; empty for an indented block. */
  readonly info: string;
  readonly text: string;
  /** The heading above it, wherever in a list it stands. */
  readonly heading: string;
}

const ROOT = new URL('../../../', import.meta.url);

/** `page` is relative to the repository, such as `docs/cookbook.md`. */
export function codeBlocksOf(page: string): CodeBlock[] {
  const blocks: CodeBlock[] = [];
  let heading = '';
  walkTokens(lexer(readFileSync(new URL(page, ROOT), 'utf8')), (token: Token) => {
    if (token.type === 'heading') heading = token.text;
    if (token.type === 'code') blocks.push({ info: token.lang ?? '', text: token.text, heading });
  });
  return blocks;
}
