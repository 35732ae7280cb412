import { render } from 'preact';
import { App } from './app.tsx';
import './style/tokens.css';
import './style/base.css';
import './style/parts.css';

const place = document.getElementById('console');
if (place !== null) render(<App />, place);
