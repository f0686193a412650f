import adapter from '@sveltejs/adapter-static';
import { sveltekit } from '@sveltejs/kit/vite';
import { defineConfig } from 'vite';
import page from './package.json' with { type: 'json' };

/** Where `make web-dev` finds the running platform. */
const PLATFORM = 'http://127.0.0.1:8000';
/** Nothing that needs Kit: some of its modules must be read only once its entry has said where the page is. */
const FRAME = /\/node_modules\/(svelte|clsx|esm-env)\/|\/src\/lib\/(format|live|project|ui)\/|\/shell\/(counts|frame|session|theme|vitals)\./;

export default defineConfig({
	plugins: [
		sveltekit({
			// One static page: the platform serves `build/` as it is, users never need Node.
			adapter: adapter({ fallback: 'index.html', precompress: true }),
			paths: { relative: true },
			// Not the time of day: the same sources build the same bytes.
			version: { name: page.version },
			// The platform sends no inline script of its own; Kit's start script is allowed by hash.
			csp: {
				mode: 'hash',
				directives: {
					'default-src': ['self'],
					'script-src': ['self'],
					'style-src': ['self'],
					// Kit's route announcer carries one style attribute; attributes cannot load or run.
					'style-src-attr': ['unsafe-inline'],
					'img-src': ['self', 'data:'],
					'font-src': ['self'],
					'connect-src': ['self'],
					'object-src': ['none'],
					'base-uri': ['self'],
					'form-action': ['self']
				}
			}
		})
	],
	// How long each plugin took is of no use to who runs `make demo` for the first time.
	build: { assetsInlineLimit: 0, rolldownOptions: { checks: { pluginTimings: false } } },
	environments: {
		client: {
			build: {
				rolldownOptions: {
					output: {
						// What every page needs is one file: thirty small ones cost more in headers than they hold.
						codeSplitting: { groups: [{ name: 'frame', test: FRAME }] }
					}
				}
			}
		}
	},
	server: {
		port: 5173,
		strictPort: true,
		proxy: { '/v1': PLATFORM, '/openapi.json': PLATFORM, '/healthz': PLATFORM }
	}
});
