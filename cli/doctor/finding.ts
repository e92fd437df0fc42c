/** What one check found out. */
export type Finding =
  | { readonly outcome: 'ok'; readonly found: string }
  /** `fix`: the command or the change that mends it. */
  | { readonly outcome: 'wrong'; readonly found: string; readonly fix: string }
  /** It could not be looked at, or does not apply here; `found` says why, `fix` how to look all the same. */
  | { readonly outcome: 'skipped'; readonly found: string; readonly fix?: string };

export const ok = (found: string): Finding => ({ outcome: 'ok', found });
export const wrong = (found: string, fix: string): Finding => ({ outcome: 'wrong', found, fix });
export const skipped = (found: string, fix?: string): Finding => ({
  ...{ outcome: 'skipped', found },
  ...(fix === undefined ? {} : { fix }),
});

/** All that is wrong, or, where nothing is, the one sentence that says so. */
export function allOr(wrongs: readonly (Finding | undefined)[], fine: string): readonly Finding[] {
  const found = wrongs.filter((each) => each !== undefined);
  return found.length > 0 ? found : [ok(fine)];
}
