/** What the server says about one field of a refused request. */
export interface FieldProblem {
  field: string
  detail: string
}

/**
 * Something that went wrong between the page and the server, in words for a person.
 *
 * Matinee answers RFC 9457 problem details; the gateway in front of it says `{"message": "…"}`; a dead connection says nothing
 * at all. All three end up here, so that pages handle one kind of error.
 */
export class Problem extends Error {
  override readonly name = 'Problem'

  constructor(
    /** HTTP status; 0 when no answer came. */
    readonly status: number,
    /** The last word of the problem's `type` (`precondition-failed`), or `unreachable` or `unknown`. */
    readonly code: string,
    detail: string,
    readonly fields: readonly FieldProblem[] = [],
    readonly requestId?: string,
  ) {
    super(detail)
  }

  /** Whether the same request may succeed later, unchanged. */
  get isPassing(): boolean {
    return this.status === 0 || this.status === 408 || this.status === 429 || this.status >= 500
  }

  static unreachable(): Problem {
    return new Problem(0, 'unreachable', 'Matinee can’t be reached. Check your connection and try again.')
  }

  /** Reads the body of a refused request, whoever wrote it. */
  static from(status: number, body: unknown): Problem {
    const said = isRecord(body) ? body : {}
    const type = text(said['type'])
    const code = type?.startsWith('urn:matinee:problem:') ? type.slice('urn:matinee:problem:'.length) : 'unknown'
    const detail = text(said['detail']) ?? text(said['title']) ?? sentenceFor(status, text(said['message']))
    const fields = Array.isArray(said['errors']) ? said['errors'].filter(isFieldProblem) : []
    return new Problem(status, code, detail, fields, text(said['request_id']))
  }
}

/** A sentence for any thrown value. */
export function sentence(error: unknown): string {
  if (error instanceof Problem) return error.message
  if (error instanceof Error && error.message) return error.message
  return 'Something went wrong. Please try again.'
}

function sentenceFor(status: number, gatewayMessage: string | undefined): string {
  if (status === 401) return 'Your session has ended. Please sign in again.'
  if (status === 403) return 'You may not do this.'
  if (status === 404) return 'This doesn’t exist, or no longer.'
  if (status === 429) return 'Too many requests at once. Please wait a moment.'
  if (status >= 500) return 'Matinee has trouble answering. Please try again in a moment.'
  return gatewayMessage ?? `The server refused this (${status}).`
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined
}

function isFieldProblem(value: unknown): value is FieldProblem {
  return isRecord(value) && typeof value['field'] === 'string' && typeof value['detail'] === 'string'
}
