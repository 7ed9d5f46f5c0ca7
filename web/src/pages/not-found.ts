import { html, render } from 'lit-html'
import type { Visit } from '../router'
import { clapper } from '../views/icons'
import { empty } from '../views/notice'

export function show({ root }: Visit): void {
  render(
    html`<h1 class="visually-hidden">Page not found</h1>
      ${empty(
        clapper,
        'This page isn’t on the programme',
        'The address may be mistyped, or what was here has been removed.',
        html`<a class="button" href="/">Go to the library</a>`,
      )}`,
    root,
  )
}
