// A page for a browser only: the platform serves it as a static file.
export const ssr = false;
export const prerender = false;
