/** What a client says of an object that it is about to write. */
export interface Described {
  readonly key: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly metadata: Readonly<Record<string, string>>;
  readonly ifGenerationMatch: number | undefined;
  /** Base64, where the client says what the body must hash to. */
  readonly md5Hash: string | undefined;
  readonly crc32c: string | undefined;
}
