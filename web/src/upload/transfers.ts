import type { Upload } from '../api/client'
import { session } from '../session'
import { PartHasher } from './part-hasher'
import { Transfer, type TransferSource } from './transfer'

/**
 * The files that this page is sending, across its pages: going to the library does not stop them. One file is sent at a time, with all
 * lanes for it, so that the first one is finished first; a paused or failed one lets the next go ahead. `changed` is fired for any change in any of them.
 */
export class Transfers extends EventTarget {
  readonly #hasher = new PartHasher()
  #list: Transfer[] = []
  #ownerId: string | undefined

  constructor() {
    super()
    session.addEventListener('changed', this.#onSession)
    window.addEventListener('beforeunload', (event) => {
      if (this.#list.some((transfer) => transfer.isUnfinished)) event.preventDefault()
    })
    for (const event of ['online', 'offline']) window.addEventListener(event, () => this.#changed())
  }

  get list(): readonly Transfer[] {
    return this.#list
  }

  /** The transfer of an upload that the server knows, when this page has its file. */
  of(uploadId: string): Transfer | undefined {
    return this.#list.find((transfer) => transfer.upload?.id === uploadId)
  }

  /** Queues a file. It is sent when its turn comes. */
  add(source: TransferSource): Transfer {
    const transfer = new Transfer(source, this.#hasher, (id) => this.of(id) !== undefined)
    this.#ownerId = session.user?.id
    transfer.addEventListener('changed', this.#onTransfer)
    this.#list = [...this.#list, transfer]
    this.#advance()
    this.#changed()
    return transfer
  }

  /** Queues the file of an upload that an earlier visit, or another machine, began. */
  resume(upload: Upload, file: File): Transfer {
    const earlier = this.of(upload.id)
    if (earlier) this.remove(earlier)
    return this.add({ resumed: upload, file })
  }

  /** Goes on with a paused or failed one. */
  continue(transfer: Transfer): void {
    transfer.requeue()
    this.#advance()
  }

  /** Takes one off the list; if it was being sent, its upload waits on the server. */
  remove(transfer: Transfer): void {
    transfer.removeEventListener('changed', this.#onTransfer)
    transfer.abandon()
    this.#list = this.#list.filter((other) => other !== transfer)
    this.#advance()
    this.#changed()
  }

  #advance(): void {
    if (this.#list.some((transfer) => transfer.isActive)) return
    const next = this.#list.find((transfer) => transfer.phase === 'queued')
    if (next) void next.start()
  }

  readonly #onTransfer = (): void => {
    this.#advance()
    this.#changed()
  }

  readonly #onSession = (): void => {
    if (!session.user) {
      // Signed out on purpose or by time: the same person may be back in a moment.
      for (const transfer of this.#list) if (transfer.isUnfinished) transfer.suspend()
      return
    }
    for (const transfer of this.#list) {
      if (session.user.id !== this.#ownerId) this.remove(transfer)
      else if (transfer.phase === 'signed-out') this.continue(transfer)
      else transfer.followAgain()
    }
  }

  #changed(): void {
    this.dispatchEvent(new Event('changed'))
  }
}

export const transfers = new Transfers()
