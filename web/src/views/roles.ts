import type { User } from '../session'

export type Role = User['roles'][number]

/** What roles are called, and what each of them may do, from the least to the most. */
export const roles: readonly { role: Role; name: string; may: string }[] = [
  { role: 'viewer', name: 'Viewer', may: 'watches' },
  { role: 'publisher', name: 'Publisher', may: 'uploads, and edits what is theirs' },
  { role: 'admin', name: 'Administrator', may: 'edits everything, and manages accounts' },
]

/** `Viewer, Publisher`. Whoever has no role may watch all the same. */
export function roleNames(given: readonly Role[]): string {
  const names = roles.filter(({ role }) => given.includes(role)).map(({ name }) => name)
  return names.join(', ') || 'Viewer'
}
