import { answer, api, type Upload, type UploadState } from '../api/client'
import { Problem } from '../api/problem'
import { persist, wait } from '../retry'

/** A film is ready a second after its last byte: longer waits would be most of what somebody waits. */
const SHORTEST_WAIT_MS = 250
const LONGEST_WAIT_MS = 8_000

/** Nothing more will happen to an upload in this state. */
export function isFinal(state: UploadState): boolean {
  return state === 'ready' || state === 'duplicate' || state === 'failed'
}

/** The server is busy with an upload in this state: all its bytes have arrived, and it is not final. */
export function isUnderWay(state: UploadState): boolean {
  return state === 'uploaded' || state === 'checking' || state === 'processing'
}

/**
 * Asks for an upload's state until it is final, calling back each time. Asks often at first and after each change, then less and less.
 * Rejects with the signal's reason, or when the upload is gone.
 */
export async function followUpload(id: string, onState: (upload: Upload) => void, signal: AbortSignal): Promise<Upload> {
  let waitMs = SHORTEST_WAIT_MS
  let lastState: UploadState | undefined
  for (;;) {
    const upload = await persist(() => answer(api.GET('/uploads/{id}', { params: { path: { id } }, signal })), {
      signal,
      isPassing: (error) => error instanceof Problem && error.isPassing,
      attempts: Infinity,
    })
    onState(upload)
    if (isFinal(upload.state)) return upload
    waitMs = upload.state === lastState ? Math.min(LONGEST_WAIT_MS, waitMs * 1.5) : SHORTEST_WAIT_MS
    lastState = upload.state
    await wait(waitMs, signal)
  }
}
