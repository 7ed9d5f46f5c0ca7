import { FileUnreadable } from './part-hasher'
import { partOf, partSize, type PartPlan } from './part-plan'
import { PartSigner } from './part-signer'
import { putPart, PutFailed, type SignedPart } from './put-part'
import { persist } from '../retry'

/**
 * Enough to fill a long line, and below the six connections that browsers open to a host. A pause or a broken connection
 * costs at most so many unfinished parts, so more is not better.
 */
const LANES = 4
/** How often one part may be hashed and signed anew before its upload fails. */
const SIGN_ATTEMPTS = 4

export interface Sending {
  uploadId: string
  plan: PartPlan
  file: Blob
  hashed: boolean
  digestOf(number: number, from: 'known' | 'file'): Promise<string>
  /** The parts to send. */
  numbers: readonly number[]
  signal: AbortSignal
  /** The bytes of one part that have left; its whole size once S3 has confirmed it, 0 when it starts over. */
  onProgress(number: number, sentBytes: number): void
  onSetback(error: unknown): void
}

/**
 * Sends parts of a file to S3, several at a time. Rejects with the first failure that retrying does not cure, after stopping the other
 * lanes; parts that have arrived stay with S3.
 *
 * This is our own rather than Uppy's: since version 6 its S3 plugin sends the parts of a file one after another, and has the page sign S3's
 * own create, list and complete calls, so that the S3 upload id and the object's key would be in the browser's hands. Here they never
 * leave the server, the part size is the server's, and each part's SHA-256 is known before its address is signed.
 */
export async function sendParts(sending: Sending): Promise<void> {
  const stop = new AbortController()
  const signal = AbortSignal.any([sending.signal, stop.signal])
  const signer = new PartSigner(sending.numbers, { ...sending, signal })
  const lane = async () => {
    for (let part = await signer.next(); part; part = await signer.next())
      await sendPart(part, signer, { ...sending, signal })
  }
  const lanes = Array.from({ length: Math.min(LANES, sending.numbers.length) }, lane)
  try {
    await Promise.all(lanes)
  } catch (error) {
    stop.abort(error)
    await Promise.allSettled(lanes)
    throw error
  }
}

async function sendPart(first: SignedPart, signer: PartSigner, sending: Sending): Promise<void> {
  const { file, plan, signal, onProgress, onSetback } = sending
  const { number } = first
  let part = first
  for (let signed = 1; ; signed += 1) {
    try {
      await persist(
        () => putPart(part, partOf(file, plan, number), { signal, onProgress: (sent) => onProgress(number, sent) }),
        {
          signal,
          isPassing: (error) => error instanceof PutFailed && error.isPassing,
          onSetback: (error) => {
            onProgress(number, 0)
            onSetback(error)
          },
        },
      )
      onProgress(number, partSize(plan, number))
      return
    } catch (error) {
      signal.throwIfAborted()
      onProgress(number, 0)
      if (error instanceof PutFailed && error.status === 0) await tellUnreadableFile(file)
      const curable = error instanceof PutFailed && (error.isExpiredSignature || error.isWrongChecksum)
      if (!curable || signed === SIGN_ATTEMPTS) throw error
      part = await signer.again(number)
    }
  }
}

/** A file that has gone from the disk breaks a request just as a dead network does: reading one byte tells them apart. */
async function tellUnreadableFile(file: Blob): Promise<void> {
  try {
    await file.slice(0, 1).arrayBuffer()
  } catch {
    throw new FileUnreadable()
  }
}
