import type { SignIn } from '../api/client'
import { dayAndTime } from '../format'
import { toast } from './notice'

/** Says how the account was signed in to before, so that its owner notices when that wasn't them. */
export function greet(previous: SignIn | undefined): void {
  if (previous) toast(`Welcome back. Last signed in ${dayAndTime(previous.at)}, ${previous.device}.`)
}
