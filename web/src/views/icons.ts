import { html, svg, type TemplateResult } from 'lit-html'

function icon(content: TemplateResult<2>): TemplateResult {
  return html`<svg class="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false">${content}</svg>`
}

export const sun = icon(svg`<circle cx="12" cy="12" r="4" /><path d="M12 3v1.5M12 19.5V21M3 12h1.5M19.5 12H21M5.6 5.6l1.1 1.1M17.3 17.3l1.1 1.1M18.4 5.6l-1.1 1.1M6.7 17.3l-1.1 1.1" />`)
export const moon = icon(svg`<path d="M19.5 14.2A8 8 0 0 1 9.8 4.5a8 8 0 1 0 9.7 9.7z" />`)
export const arrowUp = icon(svg`<path d="M12 19V6M6.5 11 12 5.5 17.5 11" />`)
export const film = icon(svg`<rect x="3.5" y="5" width="17" height="14" rx="2.5" /><path d="m10.5 9.3 4.4 2.7-4.4 2.7z" />`)
export const list = icon(svg`<path d="M9 6.5h11M9 12h11M9 17.5h11M4.5 6.5h.01M4.5 12h.01M4.5 17.5h.01" />`)
export const pause = icon(svg`<path d="M9 6v12M15 6v12" />`)
export const play = icon(svg`<path d="M8 5.5 18 12 8 18.5z" />`)
export const cross = icon(svg`<path d="m6.5 6.5 11 11M17.5 6.5l-11 11" />`)
export const check = icon(svg`<path d="m5.5 12.5 4.2 4.2 8.8-9.2" />`)
export const again = icon(svg`<path d="M19 12a7 7 0 1 1-2.2-5.1L19 9M19 4.5V9h-4.5" />`)
export const pencil = icon(svg`<path d="m5 19 1-4L15.8 5.2a1.9 1.9 0 0 1 2.7 0l.3.3a1.9 1.9 0 0 1 0 2.7L9 18z" />`)
export const bin = icon(svg`<path d="M5 7h14M10 7V5h4v2M7 7l.8 12h8.4L17 7" />`)
export const warning = icon(svg`<path d="M12 4.5 21 19.5H3zM12 10.5v4M12 17.2h.01" />`)
export const clapper = icon(svg`<path d="M4 10.5h16v8a1.5 1.5 0 0 1-1.5 1.5h-13A1.5 1.5 0 0 1 4 18.5zM4 10.5l-.6-3L18.5 4l.7 3zM8 9.4 9.7 6M12.6 8.4l1.7-3.3" />`)
export const person = icon(svg`<circle cx="12" cy="8.5" r="3.5" /><path d="M5 19.5a7 7 0 0 1 14 0" />`)
export const people = icon(svg`<circle cx="9" cy="8.5" r="3.2" /><path d="M3 19a6 6 0 0 1 12 0M15.5 5.6a3.2 3.2 0 0 1 0 5.8M17.5 13.6A6 6 0 0 1 21 19" />`)
export const door = icon(svg`<path d="M13 5H6.5A1.5 1.5 0 0 0 5 6.5v11A1.5 1.5 0 0 0 6.5 19H13M16 8.5l3.5 3.5-3.5 3.5M19 12h-9" />`)
export const broadcast = icon(svg`<circle cx="12" cy="12" r="1.8" /><path d="M8.5 15.5a5 5 0 0 1 0-7M15.5 8.5a5 5 0 0 1 0 7M5.6 18.4a9 9 0 0 1 0-12.8M18.4 5.6a9 9 0 0 1 0 12.8" />`)
export const speaker = icon(svg`<path d="M4.5 9.8v4.4h3l4 3.6V6.2l-4 3.6zM15 9.2a4 4 0 0 1 0 5.6M17.6 6.6a7.6 7.6 0 0 1 0 10.8" />`)
export const speakerOff = icon(svg`<path d="M4.5 9.8v4.4h3l4 3.6V6.2l-4 3.6zM15.5 9.5l5 5M20.5 9.5l-5 5" />`)
export const expand = icon(svg`<path d="M5 9.5V5h4.5M14.5 5H19v4.5M19 14.5V19h-4.5M9.5 19H5v-4.5" />`)
export const shrink = icon(svg`<path d="M9.5 5v4.5H5M19 9.5h-4.5V5M14.5 19v-4.5H19M5 14.5h4.5V19" />`)

export const brandMark = html`<svg class="brand-mark" viewBox="0 0 32 32" aria-hidden="true" focusable="false">
  <rect width="32" height="32" rx="8" class="brand-ground" />
  <path d="M7 22a9 9 0 0 1 18 0z" class="brand-sun" />
  <path d="M6 25h20M16 6v3M7.5 9.5l2 2M24.5 9.5l-2 2" class="brand-ray" />
</svg>`
