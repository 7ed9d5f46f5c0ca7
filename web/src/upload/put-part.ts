import type { SignedParts } from '../api/client'

export type SignedPart = SignedParts['parts'][number]

/** A connection that moves no byte for this long is dead, whatever TCP still hopes. */
const STALLED_AFTER_MS = 60_000

/** S3 refused a part, or could not be reached. */
export class PutFailed extends Error {
  override readonly name = 'PutFailed'
  constructor(
    /** HTTP status; 0 when the connection broke or stalled. */
    readonly status: number,
    /** S3's error code, such as `NoSuchUpload` or `BadDigest`; empty without an answer. */
    readonly code: string,
  ) {
    super(
      status === 0
        ? 'The storage can’t be reached.'
        : `The storage refused a part of the file (${code || status}). Please try again.`,
    )
  }

  /** The signature has expired, or the upload's credentials have: a new signature may be taken. */
  get isExpiredSignature(): boolean {
    return this.status === 403
  }

  /** What arrived is not what was hashed. */
  get isWrongChecksum(): boolean {
    return this.status === 400 && this.code !== 'RequestTimeout'
  }

  get isPassing(): boolean {
    return (
      this.status === 0 ||
      this.status === 408 ||
      this.status === 429 ||
      this.status >= 500 ||
      this.code === 'RequestTimeout' ||
      this.code === 'OperationAborted'
    )
  }
}

/** Sends one part to its presigned address. XMLHttpRequest, because `fetch` does not tell how far a request body has got. */
export function putPart(
  part: SignedPart,
  bytes: Blob,
  { signal, onProgress }: { signal: AbortSignal; onProgress(sentBytes: number): void },
): Promise<void> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted()
    const request = new XMLHttpRequest()
    let stalled: ReturnType<typeof setTimeout>
    const watch = () => {
      clearTimeout(stalled)
      stalled = setTimeout(() => request.abort(), STALLED_AFTER_MS)
    }
    const onAbort = () => request.abort()
    const settle = (outcome: () => void) => {
      clearTimeout(stalled)
      signal.removeEventListener('abort', onAbort)
      outcome()
    }
    request.open('PUT', part.url)
    for (const [name, value] of Object.entries(part.headers)) {
      // The browser sets these two itself and refuses to be told.
      if (!/^(host|content-length)$/i.test(name)) request.setRequestHeader(name, value)
    }
    request.upload.onprogress = (event) => {
      watch()
      onProgress(event.loaded)
    }
    request.onload = () =>
      settle(() => {
        if (request.status >= 200 && request.status < 300) resolve()
        else reject(new PutFailed(request.status, /<Code>([^<]*)<\/Code>/.exec(request.responseText)?.[1] ?? ''))
      })
    request.onerror = () => settle(() => reject(new PutFailed(0, '')))
    request.onabort = () => settle(() => reject(signal.aborted ? signal.reason : new PutFailed(0, '')))
    signal.addEventListener('abort', onAbort)
    watch()
    request.send(bytes)
  })
}
