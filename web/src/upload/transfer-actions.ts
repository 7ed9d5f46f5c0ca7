import { sentence } from '../api/problem'
import { confirmed } from '../views/dialog'
import { toast } from '../views/notice'
import type { TransferActions } from '../views/upload-card'
import type { Transfer } from './transfer'
import { transfers } from './transfers'

/** What the buttons on the card of a transfer do. `onCancelled` is called when its upload is gone from the server. */
export function actionsOn(transfer: Transfer, onCancelled?: () => void): TransferActions {
  return {
    pause: () => transfer.pause(),
    resume: () => transfers.continue(transfer),
    remove: () => transfers.remove(transfer),
    cancel: () => void cancel(transfer, onCancelled),
  }
}

async function cancel(transfer: Transfer, onCancelled: (() => void) | undefined): Promise<void> {
  const sure = await confirmed({
    title: 'Cancel this upload?',
    text: `What has arrived of “${transfer.name}” will be thrown away.`,
    yes: 'Cancel the upload',
    no: 'Keep it',
  })
  if (!sure) return
  try {
    await transfer.cancel()
    transfers.remove(transfer)
    onCancelled?.()
  } catch (error) {
    toast(sentence(error))
  }
}
