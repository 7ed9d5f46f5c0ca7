/**
 * What somebody who is not signed in has typed on the way to their account: the page for the code need not ask for it again. It is in
 * memory only, as an address or a storage would show it to whoever comes next.
 */
export const pendingAccount: { email?: string | undefined; password?: string | undefined } = {}
