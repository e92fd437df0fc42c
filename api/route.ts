/** A route: what it takes, who may use it, what it answers. The request is checked by it, and OpenAPI is made from it. */
import type { z } from 'zod';
import type { Logger } from '../log.ts';

type Parameters = z.ZodObject;
type NoParameters = z.ZodObject<Record<never, never>>;

export interface DocumentedAnswer {
  readonly description: string;
  /** Of a JSON document; none for an answer without a body, or with another. */
  readonly schema?: z.ZodType;
  /** Where the body is no JSON. */
  readonly mediaType?: string;
}

export interface RouteRequest<P, Q, B> {
  readonly params: P;
  readonly query: Q;
  readonly body: B;
  readonly headers: Headers;
  readonly method: string;
  readonly caller: Caller;
  /** The host that the request was sent to names this machine itself. */
  readonly isLoopback: boolean;
  /** Aborted when the client is gone. */
  readonly signal: AbortSignal;
  /** Scoped to the request. */
  readonly log: Logger;
}

/** Who asks. `none`: nobody in particular, on loopback without tokens, or on a route that is open to all. */
export type Caller =
  | { readonly by: 'token'; readonly id: string }
  | { readonly by: 'session'; readonly id: string; readonly expiresAtMs: number }
  | { readonly by: 'none' };

export interface JsonAnswer {
  readonly status: number;
  /** Undefined for 204. */
  readonly json?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

/** `operator`: a token or a session. `scraper`: these, or a token that is for nothing else. `open`: everybody. */
export type Access = 'operator' | 'scraper' | 'open';

export interface RouteSpec<
  P extends Parameters = NoParameters,
  Q extends Parameters = NoParameters,
  B extends z.ZodType | undefined = undefined,
> {
  readonly method: 'get' | 'post' | 'delete';
  /** As OpenAPI writes it: `/api/jobs/{job_id}`; `{key...}` takes the rest of the path, slashes and all. */
  readonly path: string;
  readonly summary: string;
  readonly access: Access;
  readonly params?: P;
  readonly query?: Q;
  /** Of a JSON body. */
  readonly body?: B;
  /** An empty body counts as `{}`. */
  readonly bodyOptional?: true;
  /** The most bytes of a body; a small default unless given. */
  readonly maxBodyBytes?: number;
  readonly answers: Readonly<Record<number, DocumentedAnswer>>;
  handle(
    request: RouteRequest<z.output<P>, z.output<Q>, B extends z.ZodType ? z.output<B> : undefined>,
  ): Promise<JsonAnswer | Response>;
}

/** A route whose types only its own handler knows. */
export interface Route extends Omit<RouteSpec, 'params' | 'query' | 'body' | 'handle'> {
  readonly params?: Parameters;
  readonly query?: Parameters;
  readonly body?: z.ZodType;
  handle(request: RouteRequest<unknown, unknown, unknown>): Promise<JsonAnswer | Response>;
}

export function defineRoute<
  P extends Parameters = NoParameters,
  Q extends Parameters = NoParameters,
  B extends z.ZodType | undefined = undefined,
>(spec: RouteSpec<P, Q, B>): Route {
  // Whoever calls `handle` has parsed the request with the schemas that stand beside it.
  return spec as unknown as Route;
}
