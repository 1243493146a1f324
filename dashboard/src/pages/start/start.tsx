export function StartPage() { return <p>soon</p>; }
