"""What every energy meter must do, whatever it reads."""

from __future__ import annotations

import pytest

from objectives.energy.meter import EnergyMeter, MeterError


class EnergyMeterContract:
    """Subclasses supply `meter`, and `spend`, which makes its hardware use about so many joules."""

    @pytest.fixture
    def meter(self) -> EnergyMeter:
        raise NotImplementedError

    def spend(self, joules: float) -> None:
        raise NotImplementedError

    def test_a_window_holds_what_was_spent_in_it(self, meter: EnergyMeter) -> None:
        self.spend(5)
        meter.start()
        self.spend(2)
        self.spend(1)
        assert meter.stop() == pytest.approx(3, rel=1e-6)

    def test_windows_follow_one_another(self, meter: EnergyMeter) -> None:
        windows = []
        for joules in (1, 4):
            meter.start()
            self.spend(joules)
            windows.append(meter.stop())
        assert windows == pytest.approx([1, 4], rel=1e-6)

    def test_a_window_in_which_nothing_happens_is_empty(self, meter: EnergyMeter) -> None:
        meter.start()
        assert meter.stop() == 0

    def test_windows_do_not_nest(self, meter: EnergyMeter) -> None:
        meter.start()
        with pytest.raises(MeterError, match="open already"):
            meter.start()

    def test_a_window_is_opened_before_it_is_closed(self, meter: EnergyMeter) -> None:
        with pytest.raises(MeterError, match="no window is open"):
            meter.stop()

    def test_its_state_can_be_asked_at_any_time(self, meter: EnergyMeter) -> None:
        meter.state()
        meter.start()
        assert meter.state().celsius is None or meter.state().celsius > 0
        meter.stop()

    def test_it_says_its_source_and_scope(self, meter: EnergyMeter) -> None:
        assert meter.source.value
        assert meter.scope
