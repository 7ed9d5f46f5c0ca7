import { answer, api, type Upload } from '../api/client'
import { Problem, sentence } from '../api/problem'
import { followUpload, isFinal } from './follow-upload'
import { showPossession } from './instant'
import type { PartHasher } from './part-hasher'
import { allParts, partOf, partSize, type PartPlan } from './part-plan'
import { recognise } from './recognise'
import { persist } from '../retry'
import { sendParts } from './send-parts'
import { Speed } from './speed'

export type TransferPhase =
  /** Other files are sent first. */
  | 'queued'
  /** Creating the upload, or asking which parts have arrived. */
  | 'starting'
  | 'sending'
  /** Comparing parts that an earlier visit, or another device, sent with the file chosen now. */
  | 'verifying'
  | 'completing'
  | 'paused'
  /** The session ended on the way; sending goes on after signing in. */
  | 'signed-out'
  /** `error` says why; `resume` tries again. */
  | 'failed'
  /** All bytes have arrived. `upload.state` tells what the server makes of them. */
  | 'sent'
  | 'cancelled'

/** How an upload begins: with its name, or as one that the server knows already and whose file was chosen again. */
export type TransferSource =
  | { file: File; name: string; description: string }
  | { file: File; resumed: Upload }

/**
 * One file on its way to the server: created, sent in parts, completed, and then followed until it can be watched.
 *
 * It may be paused (in the middle of parts, which are then sent again whole) and resumed; which parts are still missing is always asked of
 * the server, so that resuming after a pause, a failure, a reload or on another machine is one and the same thing. Nothing is kept in the
 * browser: which upload a file belongs to is told by the digests of the parts that are there.
 * `changed` is fired whenever there is something new to show.
 */
export class Transfer extends EventTarget {
  readonly file: File
  readonly name: string
  readonly description: string
  phase: TransferPhase = 'queued'
  error: string | undefined
  /** Why sending does not get on at the moment, while it keeps trying. */
  setback: string | undefined
  upload: Upload | undefined
  /** What somebody should know about how it began. */
  note: string | undefined

  readonly #isTaken: (uploadId: string) => boolean
  /** Whether `upload` is known to be of this file. */
  #isRecognised = false
  /** Whether the server was asked about the whole file: one answer is enough. */
  #isShown = false
  /** SHA-256 of parts, by number. */
  readonly #digests = new Map<number, string>()
  readonly #hasher: PartHasher
  readonly #speed = new Speed()
  readonly #sentBytes = new Map<number, number>()
  /** Parts that S3 has and that are known to be those of this file. */
  readonly #verified = new Set<number>()
  /** Makes creating repeatable when its answer is lost. */
  readonly #idempotencyKey = crypto.randomUUID()
  #run = new AbortController()
  #lastTotal = 0

  /** `isTaken` tells which uploads other transfers are busy with. */
  constructor(source: TransferSource, hasher: PartHasher, isTaken: (uploadId: string) => boolean = () => false) {
    super()
    this.#isTaken = isTaken
    this.file = source.file
    this.#hasher = hasher
    if ('resumed' in source) {
      this.upload = source.resumed
      this.name = source.resumed.name
      this.description = source.resumed.description ?? ''
    } else {
      this.name = source.name
      this.description = source.description
    }
  }

  get sizeBytes(): number {
    return this.file.size
  }

  get sentBytes(): number {
    if (this.phase === 'sent' || this.phase === 'completing') return this.sizeBytes
    return this.#lastTotal
  }

  get bytesPerSecond(): number | undefined {
    return this.phase === 'sending' ? this.#speed.bytesPerSecond : undefined
  }

  /** It uses the network and nothing else should. */
  get isActive(): boolean {
    return ['starting', 'sending', 'verifying', 'completing'].includes(this.phase)
  }

  /** Closing the page now would interrupt it. */
  get isUnfinished(): boolean {
    return this.isActive || this.phase === 'queued' || this.phase === 'paused' || this.phase === 'signed-out'
  }

  /** Begins or goes on. Returns when all bytes have arrived, or when it stopped before; never rejects. */
  async start(): Promise<void> {
    this.#run.abort()
    this.#run = new AbortController()
    const { signal } = this.#run
    this.error = undefined
    this.setback = undefined
    this.#speed.forget()
    try {
      const upload = await this.#send(signal)
      this.#enter('sent', upload)
      if (!isFinal(upload.state)) void this.#follow(signal)
    } catch (error) {
      if (signal.aborted) return
      this.#stopped(error)
    }
  }

  pause(): void {
    if (!this.isActive && this.phase !== 'queued') return
    this.#run.abort()
    this.#enter('paused')
  }

  /** Stops because nobody is signed in; `requeue` goes on. What was paused stays paused. */
  suspend(): void {
    if (this.phase === 'paused') return
    this.#run.abort()
    this.#enter('signed-out')
  }

  /** Back into the queue, after a pause, a failure or a new sign-in. */
  requeue(): void {
    this.error = undefined
    this.setback = undefined
    this.#enter('queued')
  }

  /** Takes up watching the server's work on it again, when that was interrupted. */
  followAgain(): void {
    if (this.phase !== 'sent' || !this.error || !this.upload || isFinal(this.upload.state)) return
    this.error = undefined
    this.#run = new AbortController()
    void this.#follow(this.#run.signal)
  }

  /** Stops, and throws away on the server what has arrived. Rejects with a `Problem` when that is not possible. */
  async cancel(): Promise<void> {
    this.#run.abort()
    if (this.upload) {
      const { id } = this.upload
      try {
        await answer(api.DELETE('/uploads/{id}', { params: { path: { id } } }))
      } catch (error) {
        if (!(error instanceof Problem && error.status === 404)) {
          this.#enter('paused')
          throw error
        }
      }
    }
    this.#enter('cancelled')
  }

  /** Stops without a word to the server: the upload waits there to be resumed. */
  abandon(): void {
    this.#run.abort()
    this.#enter('cancelled')
  }

  async #send(signal: AbortSignal): Promise<Upload> {
    this.#enter('starting')
    let upload = await this.#begin(signal)
    // Parts may turn out to be missing or different when all seemed sent; that is put right, but not for ever.
    for (let round = 1; ; round += 1) {
      if (upload.state !== 'waiting') return upload
      const stored = await this.#sendUnlessStored(upload, signal)
      if (stored) return stored
      this.#enter('completing')
      try {
        return await this.#complete(upload.id, signal)
      } catch (error) {
        const curable = error instanceof Problem && error.status === 409 && error.code !== 'quota-exceeded'
        if (!curable || round === 3) throw error
        upload = await this.#ask(upload.id, signal)
      }
    }
  }

  /** The upload to send to: the one that is under way, one that was begun earlier or elsewhere, or a new one. */
  async #begin(signal: AbortSignal): Promise<Upload> {
    if (this.#isRecognised && this.upload) return this.#ask(this.upload.id, signal)
    const { upload: known, other } = await recognise({
      file: this.file,
      chosenFor: this.upload,
      isTaken: this.#isTaken,
      digestOf: (plan, number) => {
        if (this.phase !== 'verifying') this.#enter('verifying')
        return this.#digestOf(plan, number, signal)
      },
      request: (attempt) => this.#persist(signal, attempt),
      signal,
    })
    signal.throwIfAborted()
    this.note = known
      ? undefined
      : other && `This is not the file that “${other.upload.name}” began with: part ${other.part} differs. It is sent as a new upload.`
    this.upload = known
    this.upload ??= await this.#create(signal)
    this.#isRecognised = true
    return this.upload
  }

  #create(signal: AbortSignal): Promise<Upload> {
    const { file, name, description } = this
    return this.#persist(signal, () =>
      answer(
        api.POST('/uploads', {
          params: { header: { 'Idempotency-Key': this.#idempotencyKey } },
          body: {
            name,
            ...(description ? { description } : {}),
            file_name: file.name,
            size_bytes: file.size,
            ...(file.type ? { content_type: file.type } : {}),
          },
          signal,
        }),
      ),
    )
  }

  async #ask(id: string, signal: AbortSignal): Promise<Upload> {
    const upload = await this.#persist(signal, () =>
      answer(api.GET('/uploads/{id}', { params: { path: { id } }, signal })),
    )
    this.upload = upload
    return upload
  }

  #complete(id: string, signal: AbortSignal): Promise<Upload> {
    return this.#persist(signal, () =>
      answer(api.POST('/uploads/{id}/complete', { params: { path: { id } }, signal })),
    )
  }

  /**
   * Sends what is missing, and meanwhile hashes ahead and shows the server the file. The upload if that ended it: the rest need not
   * be sent. Nothing waits for it.
   */
  async #sendUnlessStored(upload: Upload, signal: AbortSignal): Promise<Upload | undefined> {
    // One part is sent sooner than it is asked about.
    if (this.#isShown || upload.part_count === 1) {
      await this.#sendMissing(upload, signal)
      return undefined
    }
    const showing = new AbortController()
    const stored = new AbortController()
    let isAsked = false
    const shown = showPossession({
      upload,
      file: this.file,
      digestOf: (number) => this.#digestOf(upload, number, signal),
      onAsked: () => (isAsked = this.#isShown = true),
      signal: AbortSignal.any([signal, showing.signal]),
    }).then(
      (found) => {
        if (found) stored.abort()
        return found
      },
      // A part that can't be read can't be sent either, and sending it says so.
      () => undefined,
    )
    try {
      await this.#sendMissing(upload, AbortSignal.any([signal, stored.signal]))
    } catch (error) {
      signal.throwIfAborted()
      // Parts on their way are refused once the upload is complete, which may be sooner than we hear of that.
      const found = isAsked ? await shown : undefined
      signal.throwIfAborted()
      if (!found) throw error
      this.note = 'Matinee has this very film already, so the rest of it need not be sent.'
      return found
    } finally {
      showing.abort()
    }
    return undefined
  }

  async #sendMissing(upload: Upload, signal: AbortSignal): Promise<void> {
    const arrived = new Map(
      (upload.parts ?? [])
        .filter((part) => part.size_bytes === partSize(upload, part.number))
        .map((part) => [part.number, part.sha256]),
    )
    this.#sentBytes.clear()
    for (const number of arrived.keys()) this.#sentBytes.set(number, partSize(upload, number))
    this.#countSent()

    await this.#sendNumbers(upload, allParts(upload).filter((number) => !arrived.has(number)), signal)

    // Another device may be sending the same upload, at the same time.
    const changed: number[] = []
    for (const [number, sha256] of arrived) {
      if (this.#verified.has(number)) continue
      this.#enter('verifying')
      if (!(await this.#isSame(upload, number, sha256, signal))) changed.push(number)
    }
    await this.#sendNumbers(upload, changed, signal)
  }

  async #sendNumbers(upload: Upload, numbers: readonly number[], signal: AbortSignal): Promise<void> {
    if (numbers.length === 0) return
    this.#enter('sending')
    await sendParts({
      uploadId: upload.id,
      plan: upload,
      file: this.file,
      hashed: upload.checksum === 'sha256',
      digestOf: (number, from) => {
        if (from === 'file') this.#digests.delete(number)
        return this.#digestOf(upload, number, signal)
      },
      numbers,
      signal,
      onProgress: (number, sentBytes) => {
        this.#sentBytes.set(number, sentBytes)
        if (sentBytes > 0) this.setback = undefined
        if (sentBytes === partSize(upload, number)) this.#verified.add(number)
        this.#countSent()
        this.#changed()
      },
      onSetback: this.#onSetback,
    })
  }

  /** Whether a part that S3 has equals this file's. Without a checksum there is nothing to compare: it is taken as it is. */
  async #isSame(upload: Upload, number: number, sha256: string | undefined, signal: AbortSignal): Promise<boolean> {
    const same = !sha256 || (await this.#digestOf(upload, number, signal)) === sha256
    signal.throwIfAborted()
    if (same) this.#verified.add(number)
    return same
  }

  /** Uploads of files of one size are cut alike, so that a part is hashed once however many uploads it is compared with. */
  async #digestOf(plan: PartPlan, number: number, signal: AbortSignal): Promise<string> {
    const known = this.#digests.get(number)
    if (known) return known
    const digest = await this.#hasher.hash(partOf(this.file, plan, number), signal)
    this.#digests.set(number, digest)
    return digest
  }

  async #follow(signal: AbortSignal): Promise<void> {
    if (!this.upload) return
    try {
      await followUpload(
        this.upload.id,
        (upload) => {
          this.upload = upload
          this.#changed()
        },
        signal,
      )
    } catch (error) {
      if (signal.aborted) return
      this.error = sentence(error)
      this.#changed()
    }
  }

  #stopped(error: unknown): void {
    if (error instanceof Problem && error.status === 401) {
      this.#enter('signed-out')
      return
    }
    this.error = sentence(error)
    this.#enter('failed')
  }

  #persist<Result>(signal: AbortSignal, attempt: () => Promise<Result>): Promise<Result> {
    return persist(attempt, {
      signal,
      isPassing: (error) => error instanceof Problem && error.isPassing,
      onSetback: this.#onSetback,
    })
  }

  readonly #onSetback = (error: unknown): void => {
    this.setback = sentence(error)
    this.#changed()
  }

  #countSent(): void {
    this.#lastTotal = 0
    for (const bytes of this.#sentBytes.values()) this.#lastTotal += bytes
    this.#speed.note(this.#lastTotal, performance.now())
  }

  #enter(phase: TransferPhase, upload?: Upload): void {
    this.phase = phase
    if (upload) this.upload = upload
    this.#changed()
  }

  #changed(): void {
    this.dispatchEvent(new Event('changed'))
  }
}
